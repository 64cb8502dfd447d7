"""Sources of a session's rows: a named source, an ``.npz`` in the project's format, or any CSV or Parquet file.

A new source is one entry in ``SOURCES``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from learnae import resources
from learnae.errors import InputError
from learnae.input_file import sha256_of
from learnae.learn.datasets import flights, npz_dataset, table_file, tabular
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.hepmass import METADATA
from learnae.session.environment import data_folder
from learnae.session.settings import DataSettings


@dataclass(frozen=True)
class Source:
    """``file`` identifies the rows by its content.  ``read`` receives it and ``data.column``."""

    file: Callable[[], Path]
    read: Callable[[Path, str | None], Dataset]


def _hepmass_file() -> Path:
    path = data_folder() / "hepmass" / METADATA
    if not path.is_file():
        raise InputError(
            "data source 'hepmass': UCI's file has not been converted yet; run `learnae data fetch hepmass`, then "
            "`learnae data hepmass` with the files that it lists"
        )
    return path


SOURCES = {
    "hepmass-like": Source(lambda: resources.ROWS, lambda path, column: npz_dataset.read_npz(path)),
    "hepmass": Source(_hepmass_file, lambda path, column: npz_dataset.read_folder(path.parent)),
    "flights": Source(flights.archive, flights.read),
}


def source_file(data: DataSettings) -> Path:
    """The file whose content identifies the rows.  InputError if it does not exist."""
    if data.path is not None:
        path = Path(data.path)
        if not path.is_file():
            raise InputError(
                f"data.path = {data.path}: no such file; relative paths start at the working directory, {Path.cwd()}"
            )
        return path
    source = SOURCES.get(data.source)
    path = source.file() if source else Path(data.source)
    if not path.is_file():
        raise InputError(
            f"data source '{data.source}': there is no file {path.name}; use one of {', '.join(SOURCES)} or the path "
            "of an .npz, or name a CSV or Parquet file with data.path"
        )
    return path


def load_dataset(data: DataSettings) -> Dataset:
    """Read the rows of a session.  Raises InputError with one sentence for anything invalid."""
    path = source_file(data)
    return replace(_read(path, data), sha256=sha256_of(path))


def count_rows(data: DataSettings) -> int:
    """The number of rows, without the checks of ``load_dataset``.  Raises InputError."""
    path = source_file(data)
    return table_file.read_table_file(path, data)[0].num_rows if data.path is not None else len(_read(path, data))


# private


def _read(path: Path, data: DataSettings) -> Dataset:
    if data.path is not None:
        return tabular.read(path, data)
    source = SOURCES.get(data.source)
    return source.read(path, data.column) if source else npz_dataset.read_npz(path)
