"""Reads any CSV or Parquet file as a dataset: one column contains the classes, the others are numbers.

A value that cannot be used is rejected with its column, its row and a fix; rows count from 1 after the header.  No
value is filled in and no row is dropped.  Text and date columns are left out with a notice, unless ``features`` names
them.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset, require_two_classes
from learnae.learn.datasets.optional_pyarrow import Arrow, import_pyarrow
from learnae.learn.datasets.table_file import (
    NUMBER,
    POINT_NUMBER,
    abbreviate,
    is_mostly_numbers,
    is_text,
    look_like_numbers,
    read_table_file,
)
from learnae.session.settings import DataSettings

MAX_CLASSES = 100  # a label with more values is a quantity
ROW_NUMBERS = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # names that pandas gives an index
MIN_COUNTING = 20  # rows from which a column that counts in equal steps numbers the rows and measures nothing
MISSING = {"na", "n/a", "nan", "null", "none", "nil", "?", "-", "unknown"}  # texts that often stand for no value

Ints = NDArray[np.int64]


def read(path: Path, data: DataSettings) -> Dataset:
    """The dataset in ``path``.  No ``data.features``: all other numeric columns that do not number the rows."""
    arrow, notices = read_table_file(path, data)
    name, label = path.name, data.label or ""
    _require_column(name, arrow, "data.label", label)
    for feature in data.features:
        _require_column(name, arrow, "data.features", feature)
    if arrow.num_rows == 0:
        raise InputError(f"{name} contains no rows below its header: give a file with labelled rows")
    labels, classes = _to_classes(name, label, arrow[label], notices)
    features = data.features
    if not features:
        others = [column for column in arrow.column_names if column != label]
        numbered = dict.fromkeys(column for column in others if _numbers_rows(column, arrow[column]))
        numeric = dict.fromkeys(c for c in others if c not in numbered and _is_numeric(arrow[c]))
        not_numeric = [column for column in others if column not in numeric and column not in numbered]
        features = tuple(numeric)
        if numbered:
            notices.append(f"Columns that number the rows are left out: {abbreviate(list(numbered))}.")
        if not_numeric:
            notices.append(f"Columns that are not numeric are left out: {abbreviate(not_numeric)}.")
    if not features:
        raise InputError(f"{name} has no numeric column besides '{label}': the network needs one feature or more")
    return to_dataset(name, arrow, features, labels, classes, data.column, " ".join(notices) or None)


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
        values = _parsed(name, column, values)
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
    if import_pyarrow().types.is_nested(values.type):
        raise InputError(
            f"{name}: column '{column}' has type {values.type}, which holds more than one value per row: choose "
            "another column, or divide it into columns"
        )
    encoded = values.combine_chunks().dictionary_encode() if not _is_dictionary(values.type) else _decoded(values)
    distinct = encoded.dictionary.to_pylist()
    order = sorted(range(len(distinct)), key=distinct.__getitem__)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[encoded.indices.to_numpy(zero_copy_only=False)], [distinct[i] for i in order]


# private


def _require_column(name: str, arrow: Arrow, setting: str, column: str) -> None:
    if column not in arrow.column_names:
        raise InputError(f"{name} has no column '{column}': set {setting} to one of {abbreviate(arrow.column_names)}")


def _to_classes(name: str, label: str, values: Arrow, notices: list[str]) -> tuple[Ints, int]:
    codes, distinct = to_codes(name, label, values)
    if len(distinct) > MAX_CLASSES:
        raise InputError(
            f"{name}: label column '{label}' contains {len(distinct):,} different values, a quantity rather than "
            f"classes (max {MAX_CLASSES}): make a column of classes from it, such as above or below a threshold"
        )
    require_two_classes(name, codes, f"choose another label than '{label}' or a file that has both classes")
    if missing := [str(value) for value in distinct if str(value).casefold() in MISSING]:
        notices.append(
            f"{abbreviate(missing)} is one of the {len(distinct)} classes, and may stand for a missing value."
        )
    similar = {str(value).casefold().rstrip(".") for value in distinct}
    if len(similar) < len(distinct):
        listed = abbreviate([f"'{value}'" for value in distinct])
        notices.append(f"Some of the {len(distinct)} classes have almost the same name: {listed}.")
    return codes, len(distinct)


def _is_numeric(values: Arrow) -> bool:
    """A text column of mostly numbers counts as numeric, so that errors show."""
    return _is_number(values.type) or is_mostly_numbers(values)


def _numbers_rows(column: str, values: Arrow) -> bool:
    """Whether a column is an index that was saved with the data.  In a sorted file, it predicts the class."""
    if not _is_number(values.type) or values.null_count:
        return False
    numbers = values.cast(import_pyarrow().float64(), safe=False).to_numpy()
    if not np.isfinite(numbers).all() or (numbers % 1).any():
        return False
    if ROW_NUMBERS.fullmatch(column):
        return True
    steps = np.diff(numbers)
    return len(numbers) >= MIN_COUNTING and bool(steps[0] != 0 and (steps == steps[0]).all())


def _is_number(kind: Arrow) -> bool:
    types = import_pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))


def _is_dictionary(kind: Arrow) -> bool:
    return bool(import_pyarrow().types.is_dictionary(kind))


def _decoded(values: Arrow) -> Arrow:
    return values.cast(values.type.value_type).combine_chunks().dictionary_encode()


def _parsed(name: str, column: str, values: Arrow) -> Arrow:
    """A column of texts that are numbers, such as those that were padded.  Raises InputError for any other text."""
    if not is_text(values.type):
        raise InputError(
            f"{name}: column '{column}' has type {values.type}, which is not numeric: leave it out of data.features"
        )
    if look_like_numbers(values, POINT_NUMBER).all():
        return values.cast(import_pyarrow().float64())
    row = int(np.argmin(look_like_numbers(values, POINT_NUMBER if look_like_numbers(values).all() else NUMBER)))
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
