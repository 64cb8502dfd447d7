"""Commands about the files that ship with the package."""

import shutil
from pathlib import Path

from learnae.cli.commands import console, say
from learnae.errors import InputError
from learnae.resources import EXAMPLE, session_files
from learnae.session.settings import load


def show_sessions() -> int:
    for name, path in session_files().items():
        console.print(name, style="bold", markup=False)
        say(" ".join(load(path).about.split()))
    return 0


def copy_example(folder: Path) -> int:
    """Never overwrites.  Raises InputError."""
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: choose a new folder")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    say(f"Wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {folder}.")
    say(f"Next: cd {folder}; learnae simulate session.toml")
    return 0
