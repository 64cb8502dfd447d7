"""Reads any CSV or Parquet file as a dataset: one column contains the labels, the others are numbers.

No row is dropped, and no value is filled in unless ``data.encode`` says so.  Text and date columns that it does not
name are left out with a notice.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.columns import MISSING, encoded_columns, is_number, read_column, to_codes, to_numbers
from learnae.learn.datasets.dataset import Column, Dataset, require_two_classes
from learnae.learn.datasets.labels import Classes, Label, Quantity
from learnae.learn.datasets.optional_pyarrow import Arrow, import_pyarrow
from learnae.learn.datasets.table_file import (
    abbreviate,
    is_mostly_numbers,
    read_table_file,
)
from learnae.session.settings import DataSettings, EncodeSettings
from learnae.session.task import REGRESSION

MAX_CLASSES = 100  # a label with more values is a quantity
PREDICT_IT = 'set data.task = "regression" to predict the number'
LABEL_TEXT = 'it is the label: put a number there, drop such rows, or set data.task = "classification" to predict texts'
ROW_NUMBERS = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # names that pandas gives an index
MIN_COUNTING = 20  # rows from which a column that counts in equal steps numbers the rows and measures nothing

NONE_ENCODED: Mapping[str, Column] = MappingProxyType({})

Ints = NDArray[np.int64]


def read(path: Path, data: DataSettings) -> Dataset:
    """The dataset in ``path``.  No ``data.features``: all other numeric columns that do not number the rows."""
    arrow, notices = read_table_file(path, data)
    name, label = path.name, data.label or ""
    _require_column(name, arrow, "data.label", label)
    for feature in data.features:
        _require_column(name, arrow, "data.features", feature)
    for setting, columns in _columns_to_encode(data.encode):
        for column in columns:
            _require_column(name, arrow, setting, column)
    if arrow.num_rows == 0:
        raise InputError(f"{name} contains no rows below its header: give a file with labelled rows")
    labels, kind = _to_labels(name, data, arrow[label], notices)
    encoded = encoded_columns(arrow, data.encode, label)
    features = data.features
    if not features:
        others = [column for column in arrow.column_names if column != label]
        numbered = dict.fromkeys(c for c in others if c not in encoded and _numbers_rows(c, arrow[c]))
        numeric = dict.fromkeys(c for c in others if c in encoded or (c not in numbered and _is_numeric(arrow[c])))
        not_numeric = [column for column in others if column not in numeric and column not in numbered]
        features = tuple(numeric)
        if numbered:
            notices.append(f"Columns that number the rows are left out: {abbreviate(list(numbered))}.")
        if not_numeric:
            notices.append(
                f"Columns that are not numeric are left out: {abbreviate(not_numeric)}. "
                "To keep one of them, name it in data.encode.one_hot."
            )
    if not features:
        raise InputError(f"{name} has no numeric column besides '{label}': the network needs one feature or more")
    return to_dataset(name, arrow, features, labels, kind, data.column, " ".join(notices) or None, encoded)


def to_dataset(
    name: str,
    arrow: Arrow,
    features: Sequence[str],
    labels: NDArray[Any],
    label: Label,
    column: str | None,
    notice: str | None,
    encoded: Mapping[str, Column] = NONE_ENCODED,
) -> Dataset:
    """The named columns as a dataset that is neither encoded nor standardised yet."""
    rows = np.empty((arrow.num_rows, len(features)))
    columns = []
    for i, feature in enumerate(features):
        rows[:, i], described = read_column(name, encoded.get(feature, Column(feature)), arrow[feature])
        columns.append(described)
    groups = None
    if column is not None:
        _require_column(name, arrow, "data.column", column)
        groups = to_codes(name, column, arrow[column])[0]
    return Dataset(
        features=torch.from_numpy(rows),
        labels=torch.from_numpy(labels),
        label=label,
        groups=groups,
        group=column or "",
        names=tuple(features),
        columns=tuple(columns) if encoded else (),
        notice=notice,
    )


def to_quantity(name: str, numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], Label]:
    """Labels that are numbers.  Raises InputError."""
    if (numbers == numbers[0]).all():
        raise InputError(f"{name}: all rows have the same label, so there is nothing to learn; choose another label")
    return numbers.copy(), Quantity()  # a copy, because torch requires a writable array


# private


def _columns_to_encode(settings: EncodeSettings) -> Iterator[tuple[str, list[str]]]:
    """The columns that each setting names, by the name of the setting."""
    yield "data.encode.one_hot", [column for column in settings.one_hot if column != "*"]
    yield "data.encode.ordinal", [entry[0] for entry in settings.ordinal]
    yield "data.encode.impute", [column for column in settings.impute if column != "*"]


def _require_column(name: str, arrow: Arrow, setting: str, column: str) -> None:
    if column not in arrow.column_names:
        raise InputError(f"{name} has no column '{column}': set {setting} to one of {abbreviate(arrow.column_names)}")


def _to_labels(name: str, data: DataSettings, values: Arrow, notices: list[str]) -> tuple[NDArray[Any], Label]:
    label = data.label or ""
    if data.task == REGRESSION:
        return to_quantity(name, to_numbers(name, label, values, text_fix=LABEL_TEXT))
    codes, distinct = to_codes(name, label, values)
    if len(distinct) > MAX_CLASSES:
        raise InputError(
            f"{name}: label column '{label}' contains {len(distinct):,} different values, a quantity rather than "
            f"classes (max {MAX_CLASSES}): {PREDICT_IT}, or make a column of classes from it, such as above or below a "
            "threshold"
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
    return codes, Classes(len(distinct))


def _is_numeric(values: Arrow) -> bool:
    """A text column of mostly numbers counts as numeric, so that errors show."""
    return is_number(values.type) or is_mostly_numbers(values)


def _numbers_rows(column: str, values: Arrow) -> bool:
    """Whether a column is an index that was saved with the data.  In a sorted file, it predicts the class."""
    if not is_number(values.type) or values.null_count:
        return False
    numbers = values.cast(import_pyarrow().float64(), safe=False).to_numpy()
    if not np.isfinite(numbers).all() or (numbers % 1).any():
        return False
    if ROW_NUMBERS.fullmatch(column):
        return True
    with np.errstate(over="ignore"):
        steps = np.diff(numbers)
    return len(numbers) >= MIN_COUNTING and bool(steps[0] != 0 and (steps == steps[0]).all())
