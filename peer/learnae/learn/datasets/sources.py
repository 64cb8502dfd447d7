"""Where rows are from: a source by name, an ``.npz`` of the project's form, or a file of the user's.

Each reader is a module: ``prepared`` (files of the project's form), ``flights``, ``columns`` (any CSV or Parquet).
``hepmass`` makes the ``hepmass`` source from UCI's files; it is a command, not a reader.
"""

from pathlib import Path

from learnae import resources
from learnae.errors import InputError
from learnae.learn.datasets import flights, npz_dataset, tabular
from learnae.learn.datasets.dataset import CLASSES, FEATURES, Dataset
from learnae.learn.datasets.hepmass import ABOUT
from learnae.session.settings import DataSettings, data_folder

__all__ = ["CLASSES", "FEATURES", "Dataset", "load", "path_of"]

NAMES = ("hepmass-like", "hepmass", "flights")


def path_of(data: DataSettings) -> Path:
    """The file whose content says which rows these are.  InputError if it is not there."""
    if data.path is not None:
        return _present(Path(data.path), f"data.path = {data.path}: there is no such file; relative paths begin where")
    match data.source:
        case "hepmass-like":
            path = resources.ROWS
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


def load(data: DataSettings) -> Dataset:
    """Read a session's table.  InputError, one sentence, for anything but sound rows."""
    path = path_of(data)
    if data.path is not None:
        return tabular.read(path, data.label or "", data.features, data.column)
    match data.source:
        case "hepmass":
            return npz_dataset.folder(path.parent)
        case "flights":
            return flights.read(path, data.column)
        case _:
            return npz_dataset.npz(path)


def _present(path: Path, complaint: str) -> Path:
    if not path.is_file():
        raise InputError(f"{complaint} the command is run, in {Path.cwd()}")
    return path
