"""`learnae doctor`: checks this machine and says how to fix what is missing."""

import importlib.metadata
import os
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from learnae.backends.base import Finding
from learnae.backends.machine import free_memory
from learnae.backends.registry import all_backends
from learnae.cli.arguments import Json
from learnae.cli.output import print_document
from learnae.errors import InputError
from learnae.session.settings import DataSettings

GIB = 1 << 30
PAPER_MEMORY, RUN_DISK = 1.0, 0.2  # GiB that the paper's session needs


def doctor(
    peers: Annotated[int | None, typer.Option(min=2, help="Check that this many containerised peers fit.")] = None,
    json: Json = False,
) -> int:
    """Check this machine: what it has, what is missing, and how to fix it."""
    from rich.console import Console
    from rich.text import Text

    findings = [_python(), *_torch(), _data(), _memory(), _disk()]
    for backend in all_backends():
        findings += backend.findings(peers)
    console = Console(highlight=False)
    if json:
        print_document([asdict(finding) for finding in findings])
    for finding in findings if not json else ():
        mark = Text("ok   ", "green") if finding.ok else Text("fix  ", "bold red")
        console.print(mark + Text(finding.what + (f": {finding.fix}" if finding.fix else "")), soft_wrap=True)
    return 0 if all(finding.ok for finding in findings) else 1


def _python() -> Finding:
    fits = (3, 11) <= tuple(map(int, platform.python_version_tuple()[:2])) <= (3, 13)
    fix = "" if fits else "install Python 3.11 to 3.13, remove .venv and run make"
    return Finding(fits, f"Python {platform.python_version()}", fix)


def _torch() -> list[Finding]:
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return [Finding(False, "torch is missing", "remove .venv and run make, which installs it")]
    cores = os.cpu_count() or 1
    return [Finding(True, f"torch {torch}"), Finding(True, f"{cores} cores for training")]


def _data() -> Finding:
    from learnae.learn.datasets.sources import load_dataset

    try:
        table = load_dataset(DataSettings())
    except InputError as error:
        return Finding(False, "default data", str(error))
    return Finding(True, f"default data: {len(table):,} rows ({DataSettings().source})")


def _memory() -> Finding:
    free_bytes = free_memory()
    if free_bytes is None:
        return Finding(True, "free memory is unknown on this system")
    free = free_bytes / GIB
    fix = "" if free >= PAPER_MEMORY else f"free {PAPER_MEMORY:.0f} GiB, or simulate fewer peers (make swarm N=10)"
    return Finding(free >= PAPER_MEMORY, f"{free:.1f} GiB of memory free", fix)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / GIB
    fix = "" if free >= RUN_DISK else f"free {RUN_DISK} GiB here, or write runs elsewhere with --out"
    return Finding(free >= RUN_DISK, f"{free:.1f} GiB of disk free here", fix)
