"""One environment per rival, made by uv under the folder of the measurement.  uv links files from its cache."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from bench.rivals.rivals import Rival

UV = (sys.executable, "-m", "uv")
LIMIT = 20.0  # s for a question to an interpreter, to uv or to pyenv
INSTALLED = "installed.txt"  # what was asked for, written when it is complete


class NotInstalled(Exception):
    """Why a rival cannot run here."""


def interpreter(rival: Rival, folder: Path) -> Path:
    """The rival's interpreter; installs what is missing.  Raises NotInstalled."""
    if not rival.packages:
        return Path(sys.executable)
    place = folder / "environments" / rival.module
    python, marker = (place / "bin" / "python").absolute(), place / INSTALLED
    torch = version("torch")
    packages = [f"torch=={torch.partition('+')[0]}", "numpy", *rival.packages]  # the same torch for all
    wanted = "\n".join(packages)
    if not (marker.exists() and marker.read_text(encoding="utf-8") == wanted):
        _uv("venv", "-q", "--clear", "--no-python-downloads", "--python", _python(rival), str(place))
        backend = ["--torch-backend=cpu"] if torch.endswith("+cpu") else []
        _uv("pip", "install", "-q", "--python", str(python), *backend, *packages)
        marker.write_text(wanted, encoding="utf-8")
    return python


def _python(rival: Rival) -> str:
    """This interpreter, if the rival supports it, or else the first one here that does.  Raises NotInstalled."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if ours in rival.pythons:
        return sys.executable
    for wanted in rival.pythons:
        for candidate in _candidates(wanted):
            if _runs(candidate, wanted):
                return candidate
    raise NotInstalled(
        f"it needs Python {' or '.join(rival.pythons)}, and none runs here: install one, such as with "
        f"`uv python install {rival.pythons[0]}`"
    )


def _candidates(version: str) -> Iterator[str]:
    """What uv finds, what is on the PATH, and what pyenv has.  A shim of pyenv on the PATH may refuse to run."""
    yield from _lines(*UV, "python", "find", "--no-python-downloads", version)
    for folder in os.get_exec_path():
        yield str(Path(folder) / f"python{version}")
    for prefix in _lines("pyenv", "prefix", version):
        yield str(Path(prefix) / "bin" / "python")


def _runs(python: str, version: str) -> bool:
    return _lines(python, "-c", "import sys; print('{}.{}'.format(*sys.version_info))") == [version]


def _lines(*command: str) -> list[str]:
    """The lines that a command prints; none if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def _uv(*arguments: str) -> None:
    done = subprocess.run((*UV, *arguments), capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NotInstalled(" ".join(lines[:3]))
