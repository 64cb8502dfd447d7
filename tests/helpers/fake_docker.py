"""A `docker` command on the path that says and does what a test wants."""

from pathlib import Path

import pytest

SOUND = """
version*) echo 27.1 ;;
"compose version --short") echo 2.26.1 ;;
"compose version"|"buildx version") echo some ;;
"""


def fake_docker(folder: Path, patch: pytest.MonkeyPatch, cases: str) -> Path:
    """``cases``: of the shell, by all arguments; the first that fits.  Gives the file with all it was asked for."""
    program, asked = folder / "docker", folder / "asked"
    program.write_text(f'#!/bin/sh\ncd {folder}\necho "$*" >>asked\ncase "$*" in\n{cases}\nesac\n', encoding="utf-8")
    program.chmod(0o755)
    patch.setenv("PATH", str(folder), prepend=":")
    return asked
