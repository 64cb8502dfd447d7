"""Commands as a user types them, in a process of their own or, faster, in this one."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from learnae.analysis.checks import CHECKS
from learnae.cli.app import build_app

APP = build_app()
ALL_PASSED = f"All {len(CHECKS)} checks passed"

Done = subprocess.CompletedProcess[str]


def learnae(folder: Path, *arguments: object, path: str = "", **environment: str) -> Done:
    """``path``: a folder with modules that hide others."""
    variables = environment | {"LEARNAE_DATA": str(folder)} | ({"PYTHONPATH": path} if path else {})
    command = [
        "env",
        *(f"{name}={value}" for name, value in variables.items()),
        sys.executable,
        "-m",
        "learnae",
        *map(str, arguments),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=85)


def here(folder: Path, *arguments: object) -> Done:
    """The same in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LEARNAE_DATA", str(folder))
        done = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    return Done(list(map(str, arguments)), done.exit_code, done.stdout, done.stderr)


def refused(done: Done, *parts: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("learnae: ")
    for part in parts:
        assert part in done.stderr
