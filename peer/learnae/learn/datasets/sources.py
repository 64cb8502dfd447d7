"""Sources of a session's rows: a named source, a table of scikit-learn, or a file: CSV, Parquet, Arrow or ``.npz``.

A new source is one entry in ``SOURCES``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from learnae import resources
from learnae.errors import InputError
from learnae.input_file import sha256_of
from learnae.learn.datasets import array_file, flights, hugging_face, npz_dataset, scikit_learn, table_file, tabular
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.hepmass import METADATA
from learnae.session.environment import data_folder
from learnae.session.settings import DataSettings, EncodeSettings

ADULT = DataSettings(label="income", encode=EncodeSettings(one_hot=("*",), impute=("*",)))


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
    "adult-like": Source(
        lambda: resources.ADULT, lambda path, column: tabular.read(path, replace(ADULT, column=column))
    ),
}


def source_file(data: DataSettings) -> Path:
    """The file, or the folder of Arrow files, whose content identifies the rows.  InputError if it does not exist."""
    if data.path is not None:
        path = Path(data.path)
        if not path.is_file() and not path.is_dir():
            raise InputError(
                f"data.path = {data.path}: no such file; relative paths start at the working directory, {Path.cwd()}"
            )
        return path if path.name else path.absolute()  # "." has no name for messages
    if data.source.startswith(scikit_learn.PREFIX):
        return scikit_learn.file_of(data.source)
    source = SOURCES.get(data.source)
    path = source.file() if source else Path(data.source)
    if not path.is_file():
        raise InputError(
            f"data source '{data.source}': there is no file {path.name}; use one of {', '.join(SOURCES)}, one of "
            "scikit-learn's such as sklearn:digits or the path of an .npz, or name a file of your own with data.path"
        )
    return path


def load_dataset(data: DataSettings) -> Dataset:
    """Read the rows of a session.  Raises InputError with one sentence for anything invalid."""
    path = source_file(data)
    return replace(_read(path, data), sha256=_sha256(path))


def source_sha256(data: DataSettings) -> str:
    """Identifies the rows.  Raises InputError."""
    return _sha256(source_file(data))


def count_rows(data: DataSettings) -> int:
    """The number of rows, without the checks of ``load_dataset``.  Raises InputError."""
    path = source_file(data)
    if data.path is None or _is_archive(path):
        return len(_read(path, data))
    return int(table_file.read_table_file(path, data)[0].num_rows)


# private


def _sha256(path: Path) -> str:
    return hugging_face.sha256_of_folder(path) if path.is_dir() else sha256_of(path)


def _read(path: Path, data: DataSettings) -> Dataset:
    if data.path is not None:
        return array_file.read(path, data) if _is_archive(path) else tabular.read(path, data)
    if data.source.startswith(scikit_learn.PREFIX):
        return scikit_learn.read(data.source)
    source = SOURCES.get(data.source)
    return source.read(path, data.column) if source else npz_dataset.read_npz(path)


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".npz"
