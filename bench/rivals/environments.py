"""One environment per rival, made by uv under the folder of the measurement.  uv links files from its cache."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from bench.rivals.rivals import Rival

UV = (sys.executable, "-m", "uv")
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
    """This interpreter, if the rival supports it, or else one that uv finds."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    return sys.executable if ours in rival.pythons else rival.pythons[0]


def _uv(*arguments: str) -> None:
    done = subprocess.run((*UV, *arguments), capture_output=True, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NotInstalled(" ".join(lines[:3]))
