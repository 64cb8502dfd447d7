"""Where rows are from: a source by name, an ``.npz`` of the project's form, or a file of the user's.

Each reader is a module: ``prepared`` (files of the project's form), ``flights``, ``columns`` (any CSV or Parquet).
``hepmass`` makes the ``hepmass`` source from UCI's files; it is a command, not a reader.
"""

from pathlib import Path

from learnae.config import REPOSITORY, Data, data_folder
from learnae.errors import InputError
from learnae.learn import columns, flights, prepared
from learnae.learn.hepmass import ABOUT
from learnae.learn.table import CLASSES, FEATURES, Table

__all__ = ["CLASSES", "FEATURES", "Table", "load", "path_of"]

SHIPPED = REPOSITORY / "data" / "hepmass_like.npz"
NAMES = ("hepmass-like", "hepmass", "flights")


def path_of(data: Data) -> Path:
    """The file whose content says which rows these are.  InputError if it is not there."""
    if data.path is not None:
        return _present(Path(data.path), f"data.path = {data.path}: there is no such file; relative paths begin where")
    match data.source:
        case "hepmass-like":
            path = SHIPPED
        case "hepmass":
            path = data_folder() / "hepmass" / ABOUT
            if not path.is_file():
                raise InputError(
                    "data source 'hepmass': UCI's file has not been converted here; run `learnae data fetch hepmass`, "
                    "then `learnae data hepmass` with the files it names"
                )
        case "flights":
            path = flights.archive()
        case other:
            path = Path(other)
    if not path.is_file():
        raise InputError(
            f"data source '{data.source}': there is no file {path.name}; use one of {', '.join(NAMES)} or a path to an "
            ".npz, or name a CSV or Parquet file with data.path"
        )
    return path


def load(data: Data) -> Table:
    """Read a session's table.  InputError, one sentence, for anything but sound rows."""
    path = path_of(data)
    if data.path is not None:
        return columns.read(path, data.label or "", data.features, data.column)
    match data.source:
        case "hepmass":
            return prepared.folder(path.parent)
        case "flights":
            return flights.read(path, data.column)
        case _:
            return prepared.npz(path)


def _present(path: Path, complaint: str) -> Path:
    if not path.is_file():
        raise InputError(f"{complaint} the command is run, in {Path.cwd()}")
    return path
