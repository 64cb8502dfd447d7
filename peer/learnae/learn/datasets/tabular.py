"""Any CSV or Parquet file as a table: one column holds the classes, the others are numbers.

Whatever cannot be read as meant is refused with the column, the row and a way out; rows count from 1 after the header.
Nothing is filled in and no row dropped.  Text and date columns that nobody asked for are left out, and that is said.
"""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset, check_classes
from learnae.learn.datasets.optional_pyarrow import Arrow, pyarrow

MOST_CLASSES = 100  # beyond, a label is a quantity
DELIMITERS = b",;\t"
NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"

Ints = NDArray[np.int64]


def read(path: Path, label: str, features: Sequence[str], column: str | None) -> Dataset:
    """``features`` empty: every other numeric column.  ``column``: what rows can be dealt by."""
    arrow, name = _open(path), path.name
    _named(name, arrow, "data.label", label)
    for each in features:
        _named(name, arrow, "data.features", each)
    if arrow.num_rows == 0:
        raise InputError(f"{name} holds no rows below its header: give a file with labelled rows")
    labels, classes = _classes(name, label, arrow[label])
    chosen, left_out = (list(features), []) if features else _numeric(name, arrow, label)
    if not chosen:
        raise InputError(f"{name} has no numeric column beside '{label}': the network needs at least one feature")
    return table(name, arrow, chosen, labels, classes, column, _left_out(left_out))


def table(
    name: str, arrow: Arrow, features: Sequence[str], labels: Ints, classes: int, column: str | None, notice: str | None
) -> Dataset:
    """The named columns, which are numbers, as rows that are not standardised yet."""
    rows = np.empty((arrow.num_rows, len(features)))
    for i, each in enumerate(features):
        rows[:, i] = numbers(name, each, arrow[each])
    groups = None
    if column is not None:
        _named(name, arrow, "data.column", column)
        groups = codes(name, column, arrow[column])[0]
    return Dataset(torch.from_numpy(rows), torch.from_numpy(labels), (), (), classes, groups, column or "", notice)


def numbers(name: str, column: str, values: Arrow) -> NDArray[np.float64]:
    """A column as finite numbers."""
    pa = pyarrow()
    if not _is_number(values.type):
        _refuse_text(name, column, values)
    _refuse_missing(name, column, values)
    found: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy()
    wrong = np.flatnonzero(~np.isfinite(found))
    if len(wrong):
        raise InputError(
            f"{name}: column '{column}' holds {found[wrong[0]]} in row {wrong[0] + 1} ({len(wrong)} such rows): put a "
            "number there, drop those rows, or leave the column out of data.features"
        )
    return found


def codes(name: str, column: str, values: Arrow) -> tuple[Ints, list[Any]]:
    """Each row's value as its place among the sorted distinct values, and those."""
    if _is_number(values.type):
        numbers(name, column, values)  # all of them are
    _refuse_missing(name, column, values)
    encoded = values.combine_chunks().dictionary_encode() if not _is_dictionary(values.type) else _decoded(values)
    distinct = encoded.dictionary.to_pylist()
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[encoded.indices.to_numpy(zero_copy_only=False)], [distinct[i] for i in order]


# in here


def _open(path: Path) -> Arrow:
    """The whole file as a pyarrow table."""
    pa, suffixes = pyarrow(), [suffix.lower() for suffix in path.suffixes]
    try:
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            found = pa.parquet.read_table(path)
        elif suffixes[-1:] == [".csv"] or suffixes[-2:] == [".csv", ".gz"]:
            with gzip.open(path) if suffixes[-1] == ".gz" else path.open("rb") as file:
                found = _csv(pa, file)
        else:
            raise InputError(f"{path.name} is neither .csv, .csv.gz nor .parquet: convert it to one of them")
    except EOFError:
        raise InputError(f"{path.name} ends in the middle (a truncated gzip file): copy or download it again") from None
    except (OSError, zlib.error, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name} cannot be read ({reason[:200]}): repair it or export it again") from None
    names = found.column_names
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise InputError(f"{path.name} has two columns named '{twice[0]}': rename one")
    return found


def _csv(pa: Arrow, file: IO[bytes] | gzip.GzipFile) -> Arrow:
    header = file.readline()
    file.seek(0)
    delimiter = max((bytes([each]) for each in DELIMITERS), key=header.count).decode()
    source = pa.PythonFile(file, "r")
    return pa.csv.read_csv(source, parse_options=pa.csv.ParseOptions(delimiter=delimiter))


def _named(name: str, arrow: Arrow, setting: str, column: str) -> None:
    if column not in arrow.column_names:
        raise InputError(f"{name} has no column '{column}': set {setting} to one of {_few(arrow.column_names)}")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _classes(name: str, label: str, values: Arrow) -> tuple[Ints, int]:
    found, distinct = codes(name, label, values)
    if len(distinct) > MOST_CLASSES:
        raise InputError(
            f"{name}: label column '{label}' holds {len(distinct):,} different values, a quantity rather than classes "
            f"(at most {MOST_CLASSES}): make a column of classes from it, such as above or below a threshold"
        )
    check_classes(name, found, f"choose another label than '{label}' or a file that has both classes")
    return found, len(distinct)


def _numeric(name: str, arrow: Arrow, label: str) -> tuple[list[str], list[str]]:
    """Columns that are numbers, and those that were not meant to be."""
    chosen: list[str] = []
    left_out: list[str] = []
    for column in arrow.column_names:
        if column != label:
            meant = _is_number(arrow[column].type) or _mostly_numbers(arrow[column])
            (chosen if meant else left_out).append(column)
    return chosen, left_out


def _left_out(names: Sequence[str]) -> str | None:
    return f"Columns that are no numbers are left out: {_few(names)}." if names else None


def _is_number(kind: Arrow) -> bool:
    types = pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))


def _is_dictionary(kind: Arrow) -> bool:
    return bool(pyarrow().types.is_dictionary(kind))


def _is_text(kind: Arrow) -> bool:
    types = pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _decoded(values: Arrow) -> Arrow:
    return values.cast(values.type.value_type).combine_chunks().dictionary_encode()


def _parsed(values: Arrow) -> NDArray[np.bool_]:
    """Which rows of a text column are numbers after all."""
    pa = pyarrow()
    found: NDArray[np.bool_] = pa.compute.match_substring_regex(values, NUMBER).fill_null(True).to_numpy()
    return found


def _mostly_numbers(values: Arrow) -> bool:
    present = values.drop_null()
    return _is_text(values.type) and len(present) > 0 and bool(_parsed(present).mean() > 0.5)


def _refuse_text(name: str, column: str, values: Arrow) -> None:
    way_out = "put a number there, drop the row, or leave the column out of data.features"
    if not _is_text(values.type):
        raise InputError(
            f"{name}: column '{column}' is of type {values.type}, no number: leave it out of data.features"
        )
    row = int(np.argmin(_parsed(values)))
    raise InputError(f"{name}: column '{column}' holds text in row {row + 1} ('{str(values[row])[:40]}'): {way_out}")


def _refuse_missing(name: str, column: str, values: Arrow) -> None:
    if values.null_count:
        row = int(np.argmax(values.is_null(nan_is_null=True).to_numpy()))
        raise InputError(
            f"{name}: column '{column}' has no value in row {row + 1} ({values.null_count:,} such rows): fill "
            "them, drop those rows, or choose other columns"
        )
