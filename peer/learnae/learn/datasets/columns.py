"""Single columns of the user's file as numbers: plain, one-hot or ordinal, with or without missing values.

A value that cannot be used is rejected with its column, its row and a fix; rows count from 1 after the header.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Column
from learnae.learn.datasets.optional_pyarrow import Arrow, import_pyarrow
from learnae.learn.datasets.table_file import (
    NUMBER,
    POINT_NUMBER,
    is_mostly_numbers,
    is_text,
    look_like_numbers,
)
from learnae.session.settings import EncodeSettings

MAX_VALUES, MAX_TEXTS = 1_000, 50  # different values of a one-hot column: that is named, that `*` stands for
MISSING = {"na", "n/a", "nan", "null", "none", "nil", "?", "-", "unknown"}  # texts that often stand for no value

FEATURE_TEXT = (
    'fill it in with data.encode.impute = ["{column}"], encode a text column with data.encode.one_hot, or list other '
    "columns in data.features"
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def encoded_columns(arrow: Arrow, settings: EncodeSettings, label: str) -> dict[str, Column]:
    """The columns that ``data.encode`` names, by name."""
    orders = {entry[0]: entry[1:] for entry in settings.ordinal if entry}
    others = [column for column in arrow.column_names if column != label]
    one_hot = set(settings.one_hot)
    if "*" in one_hot:
        one_hot |= {column for column in others if column not in orders and _is_category(arrow[column])}
    impute = set(settings.impute)
    if "*" in impute:
        usable = [
            c for c in others if c in orders or c in one_hot or is_number(arrow[c].type) or is_mostly_numbers(arrow[c])
        ]
        impute |= {column for column in usable if _without_marks(arrow[column]).null_count}
    named = [column for column in others if column in {*orders, *one_hot, *impute}]
    return {name: Column(name, orders.get(name, ()), name in one_hot, name in impute) for name in named}


def read_column(file: str, column: Column, values: Arrow) -> tuple[Floats, Column]:
    """A column of ``file`` before it is encoded, and what is known of it.  Raises InputError."""
    if column.impute:
        values = _without_marks(values)
    if not column.one_hot and not column.values:
        return to_numbers(file, column.name, values, column.impute), column
    if not column.impute:
        reject_missing(file, column.name, values)
    present = values.is_valid().to_numpy()
    codes, distinct = to_codes(file, column.name, values.drop_null())
    numbers = np.full(len(present), np.nan)
    if not column.values and len(distinct) > MAX_VALUES:
        raise InputError(
            f"{file}: column '{column.name}' contains {len(distinct):,} different values, too many for "
            f"data.encode.one_hot (max {MAX_VALUES:,}): leave it out, or group its values"
        )
    if column.values:
        ranks = {value: rank for rank, value in enumerate(column.values)}
        unknown = [str(value) for value in distinct if str(value) not in ranks]
        if unknown:
            raise InputError(
                f"{file}: column '{column.name}' contains '{unknown[0][:40]}', which its entry of data.encode.ordinal "
                "lacks: add it at its place in the order"
            )
        numbers[present] = np.array([ranks[str(value)] for value in distinct], np.float64)[codes]
        return numbers, column
    numbers[present] = codes
    return numbers, replace(column, values=tuple(map(str, distinct)))


def to_numbers(name: str, column: str, values: Arrow, impute: bool = False, text_fix: str | None = None) -> Floats:
    """A column as finite numbers.  ``impute``: NaN where one is missing, which is refused otherwise.

    ``text_fix``: what to do about a text, if the column is no feature.
    """
    if not is_number(values.type):
        values = _parsed(name, column, values, text_fix or FEATURE_TEXT.format(column=column))
    if not impute:
        reject_missing(name, column, values)
    numbers: Floats = values.cast(import_pyarrow().float64(), safe=False).to_numpy()
    invalid = np.flatnonzero(np.isinf(numbers) if impute else ~np.isfinite(numbers))
    if len(invalid):
        raise InputError(
            f"{name}: column '{column}' contains {numbers[invalid[0]]} in row {invalid[0] + 1} ({len(invalid)} such "
            "rows): put a number there, drop those rows, or choose other columns"
        )
    return numbers


def to_codes(name: str, column: str, values: Arrow) -> tuple[Ints, list[Any]]:
    """Each value as its index among the sorted distinct values, and those values."""
    if is_number(values.type):
        to_numbers(name, column, values)  # raises InputError for NaN and infinity
    reject_missing(name, column, values)
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


def is_number(kind: Arrow) -> bool:
    types = import_pyarrow().types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind))


def reject_missing(name: str, column: str, values: Arrow) -> None:
    if values.null_count:
        row = int(np.argmax(values.is_null(nan_is_null=True).to_numpy()))
        raise InputError(
            f"{name}: column '{column}' has no value in row {row + 1} ({values.null_count:,} such rows): fill "
            "them, drop those rows, or choose other columns"
        )


# private


def _is_category(values: Arrow) -> bool:
    """Whether `*` among the one-hot columns stands for this one."""
    if not is_text(values.type) or is_mostly_numbers(values):
        return False
    return 2 <= len(_without_marks(values).drop_null().unique()) <= MAX_TEXTS


def _without_marks(values: Arrow) -> Arrow:
    """A column without the texts that stand for missing values, such as "?"."""
    pa = import_pyarrow()
    if not is_text(values.type):
        return (
            values
            if not pa.types.is_floating(values.type)
            else pa.compute.if_else(pa.compute.is_nan(values), pa.scalar(None, values.type), values)
        )
    marks = pa.compute.is_in(pa.compute.utf8_lower(values), value_set=pa.array(sorted(MISSING), values.type))
    return pa.compute.if_else(marks, pa.scalar(None, values.type), values)


def _is_dictionary(kind: Arrow) -> bool:
    return bool(import_pyarrow().types.is_dictionary(kind))


def _decoded(values: Arrow) -> Arrow:
    return values.cast(values.type.value_type).combine_chunks().dictionary_encode()


def _parsed(name: str, column: str, values: Arrow, text_fix: str) -> Arrow:
    """A column of texts that are numbers, such as those that were padded.  Raises InputError for any other text."""
    if not is_text(values.type):
        raise InputError(
            f"{name}: column '{column}' has type {values.type}, which is not numeric: choose another column"
        )
    if look_like_numbers(values, POINT_NUMBER).all():
        return values.cast(import_pyarrow().float64())
    row = int(np.argmin(look_like_numbers(values, POINT_NUMBER if look_like_numbers(values).all() else NUMBER)))
    raise InputError(
        f"{name}: column '{column}' contains text in row {row + 1} ('{str(values[row])[:40]}'): {text_fix}"
    )
