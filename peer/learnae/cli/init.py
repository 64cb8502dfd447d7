"""`learnae init`."""

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from learnae.errors import InputError
from learnae.resources import EXAMPLE


def init(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the files.")]) -> int:
    """Write an example to edit: a session, a CSV table and a short guide."""
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: choose a new folder")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    print(f"Wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {folder}.")
    print(f"Next: cd {shlex.quote(str(folder))}; learnae simulate session.toml")
    return 0
