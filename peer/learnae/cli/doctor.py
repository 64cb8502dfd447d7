"""What this machine has and lacks for LEARNAE, each finding with its fix."""

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path

from rich.console import Console
from rich.text import Text

from learnae.backends.compose.capacity import available
from learnae.cli.findings import Finding, containers
from learnae.errors import InputError
from learnae.session.settings import DataSettings

GIB = 1 << 30
PAPER_MEMORY, RUN_DISK = 1.0, 0.2  # GiB that the paper's session takes


def doctor(peers: int | None) -> int:
    findings = [_python(), *_torch(), _rows(), _memory(), _disk(), *containers(peers)]
    console = Console(highlight=False)
    for finding in findings:
        mark = Text("ok   ", "green") if finding.ok else Text("fix  ", "bold red")
        console.print(mark + Text(finding.what + (f": {finding.fix}" if finding.fix else "")), soft_wrap=True)
    return 0 if all(finding.ok for finding in findings) else 1


def _python() -> Finding:
    fits = (3, 11) <= tuple(map(int, platform.python_version_tuple()[:2])) <= (3, 13)
    fix = "" if fits else "install Python 3.11 to 3.13, remove .venv and run make"
    return Finding(fits, f"Python {platform.python_version()}", fix)


def _torch() -> list[Finding]:
    try:
        found = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return [Finding(False, "torch is missing", "run make clean and make help, which installs it")]
    cores = os.cpu_count() or 1
    return [Finding(True, f"torch {found}"), Finding(True, f"{cores} cores for training")]


def _rows() -> Finding:
    from learnae.learn.datasets.sources import load_dataset

    try:
        table = load_dataset(DataSettings())
    except InputError as error:
        return Finding(False, "default rows", str(error))
    return Finding(True, f"{len(table):,} default rows ({DataSettings().source})")


def _memory() -> Finding:
    found = available()
    if found is None:
        return Finding(True, "free memory cannot be asked for on this system")
    free = found / GIB
    fix = "" if free >= PAPER_MEMORY else f"free {PAPER_MEMORY:.0f} GiB, or simulate fewer peers (make swarm N=10)"
    return Finding(free >= PAPER_MEMORY, f"{free:.1f} GiB of memory free", fix)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / GIB
    fix = "" if free >= RUN_DISK else f"free {RUN_DISK} GiB here, or write runs elsewhere with --out"
    return Finding(free >= RUN_DISK, f"{free:.1f} GiB of disk free here", fix)
