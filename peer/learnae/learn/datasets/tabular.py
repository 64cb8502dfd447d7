"""Reads any CSV or Parquet file as a dataset: one column contains the classes, the others are numbers.

A value that cannot be used is rejected with its column, its row and a fix; rows count from 1 after the header.  No
value is filled in and no row is dropped.  Text and date columns are left out with a notice, unless ``features`` names
them.
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
from learnae.learn.datasets.dataset import Dataset, require_two_classes
from learnae.learn.datasets.optional_pyarrow import Arrow, import_pyarrow

MAX_CLASSES = 100  # a label with more values is a quantity
DELIMITERS = b",;\t"
NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"

Ints = NDArray[np.int64]


def read(path: Path, label: str, features: Sequence[str], column: str | None) -> Dataset:
    """``features`` empty: all other numeric columns.  ``column``: rows can be partitioned by its values."""
    arrow, name = _read_file(path), path.name
    _require_column(name, arrow, "data.label", label)
    for feature in features:
        _require_column(name, arrow, "data.features", feature)
    if arrow.num_rows == 0:
        raise InputError(f"{name} contains no rows below its header: give a file with labelled rows")
    labels, classes = _to_classes(name, label, arrow[label])
    chosen, left_out = (list(features), []) if features else _numeric_columns(arrow, label)
    if not chosen:
        raise InputError(f"{name} has no numeric column besides '{label}': the network needs one feature or more")
    notice = f"Columns that are not numeric are left out: {_abbreviate(left_out)}." if left_out else None
    return to_dataset(name, arrow, chosen, labels, classes, column, notice)


def to_dataset(
    name: str, arrow: Arrow, features: Sequence[str], labels: Ints, classes: int, column: str | None, notice: str | None
) -> Dataset:
    """The named numeric columns as a dataset that is not standardised yet."""
    rows = np.empty((arrow.num_rows, len(features)))
    for i, feature in enumerate(features):
        rows[:, i] = to_numbers(name, feature, arrow[feature])
    groups = None
    if column is not None:
        _require_column(name, arrow, "data.column", column)
        groups = to_codes(name, column, arrow[column])[0]
    return Dataset(torch.from_numpy(rows), torch.from_numpy(labels), (), (), classes, groups, column or "", notice)


def to_numbers(name: str, column: str, values: Arrow) -> NDArray[np.float64]:
    """A column as finite numbers."""
    if not _is_number(values.type):
        _reject_text(name, column, values)
    _reject_missing(name, column, values)
    numbers: NDArray[np.float64] = values.cast(import_pyarrow().float64(), safe=False).to_numpy()
    invalid = np.flatnonzero(~np.isfinite(numbers))
    if len(invalid):
        raise InputError(
            f"{name}: column '{column}' contains {numbers[invalid[0]]} in row {invalid[0] + 1} ({len(invalid)} such "
            "rows): put a number there, drop those rows, or leave the column out of data.features"
        )
    return numbers


def to_codes(name: str, column: str, values: Arrow) -> tuple[Ints, list[Any]]:
    """Each value as its index among the sorted distinct values, and those values."""
    if _is_number(values.type):
        to_numbers(name, column, values)  # raises InputError for NaN and infinity
    _reject_missing(name, column, values)
    encoded = values.combine_chunks().dictionary_encode() if not _is_dictionary(values.type) else _decoded(values)
    distinct = encoded.dictionary.to_pylist()
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[encoded.indices.to_numpy(zero_copy_only=False)], [distinct[i] for i in order]


# private


def _read_file(path: Path) -> Arrow:
    """The whole file as a pyarrow table."""
    pa, suffixes = import_pyarrow(), [suffix.lower() for suffix in path.suffixes]
    try:
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            arrow = pa.parquet.read_table(path)
        elif suffixes[-1:] == [".csv"] or suffixes[-2:] == [".csv", ".gz"]:
            with gzip.open(path) if suffixes[-1] == ".gz" else path.open("rb") as file:
                arrow = _read_csv(pa, file)
        else:
            raise InputError(f"{path.name} is neither .csv, .csv.gz nor .parquet: convert it to one of them")
    except EOFError:
        raise InputError(f"{path.name} ends in the middle (a truncated gzip file): copy or download it again") from None
    except (OSError, zlib.error, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name} cannot be read ({reason[:200]}): repair it or export it again") from None
    names = arrow.column_names
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise InputError(f"{path.name} has two columns named '{duplicates[0]}': rename one")
    return arrow


def _read_csv(pa: Arrow, file: IO[bytes] | gzip.GzipFile) -> Arrow:
    header = file.readline()
    file.seek(0)
    delimiter = max((bytes([code]) for code in DELIMITERS), key=header.count).decode()
    source = pa.PythonFile(file, "r")
    return pa.csv.read_csv(source, parse_options=pa.csv.ParseOptions(delimiter=delimiter))


def _require_column(name: str, arrow: Arrow, setting: str, column: str) -> None:
    if column not in arrow.column_names:
        raise InputError(f"{name} has no column '{column}': set {setting} to one of {_abbreviate(arrow.column_names)}")


def _abbreviate(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _to_classes(name: str, label: str, values: Arrow) -> tuple[Ints, int]:
    codes, distinct = to_codes(name, label, values)
    if len(distinct) > MAX_CLASSES:
        raise InputError(
            f"{name}: label column '{label}' contains {len(distinct):,} different values, a quantity rather than "
            f"classes (max {MAX_CLASSES}): make a column of classes from it, such as above or below a threshold"
        )
    require_two_classes(name, codes, f"choose another label than '{label}' or a file that has both classes")
    return codes, len(distinct)


def _numeric_columns(arrow: Arrow, label: str) -> tuple[list[str], list[str]]:
    """The numeric columns and the others.  A text column of mostly numbers counts as numeric, so that errors show."""
    numeric: list[str] = []
    others: list[str] = []
    for column in arrow.column_names:
        if column != label:
            is_numeric = _is_number(arrow[column].type) or _is_mostly_numbers(arrow[column])
            (numeric if is_numeric else others).append(column)
    return numeric, others


def _is_number(kind: Arrow) -> bool:
    types = import_pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))


def _is_dictionary(kind: Arrow) -> bool:
    return bool(import_pyarrow().types.is_dictionary(kind))


def _is_text(kind: Arrow) -> bool:
    types = import_pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _decoded(values: Arrow) -> Arrow:
    return values.cast(values.type.value_type).combine_chunks().dictionary_encode()


def _look_like_numbers(values: Arrow) -> NDArray[np.bool_]:
    """Which rows of a text column are numbers or missing."""
    pattern_matches = import_pyarrow().compute.match_substring_regex(values, NUMBER)
    matches: NDArray[np.bool_] = pattern_matches.fill_null(True).to_numpy()
    return matches


def _is_mostly_numbers(values: Arrow) -> bool:
    present = values.drop_null()
    return _is_text(values.type) and len(present) > 0 and bool(_look_like_numbers(present).mean() > 0.5)


def _reject_text(name: str, column: str, values: Arrow) -> None:
    if not _is_text(values.type):
        raise InputError(
            f"{name}: column '{column}' has type {values.type}, which is not numeric: leave it out of data.features"
        )
    row = int(np.argmin(_look_like_numbers(values)))
    raise InputError(
        f"{name}: column '{column}' contains text in row {row + 1} ('{str(values[row])[:40]}'): put a number there, "
        "drop the row, or leave the column out of data.features"
    )


def _reject_missing(name: str, column: str, values: Arrow) -> None:
    if values.null_count:
        row = int(np.argmax(values.is_null(nan_is_null=True).to_numpy()))
        raise InputError(
            f"{name}: column '{column}' has no value in row {row + 1} ({values.null_count:,} such rows): fill "
            "them, drop those rows, or choose other columns"
        )
