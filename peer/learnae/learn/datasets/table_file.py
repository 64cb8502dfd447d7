"""Reads a CSV, Parquet or Arrow file as a pyarrow table.  Its kind follows from its content where possible.

Recognised in CSV: gzip, delimiter, encoding, decimal commas.  Names and texts are stripped of blanks; an empty text is
a missing value.
"""

import codecs
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets import hugging_face
from learnae.learn.datasets.optional_pyarrow import Arrow, import_pyarrow
from learnae.session.settings import DataSettings

DELIMITERS = "\t;|,"  # the first that fits: a comma may be a decimal comma
NUMBER = r"^\s*[-+]?(\d+[.,]?\d*|[.,]\d+)([eE][-+]?\d+)?\s*$"
POINT_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
DECIMAL_COMMA = r"^[-+]?(\d*,(\d{1,2}|\d{4,})|0,\d*|\d{4,},\d*)([eE][-+]?\d+)?$"  # 1,234 may be more than a thousand
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
FALLBACK = "cp1252"  # Windows-1252, with all letters of Latin-1
SAMPLE = 1 << 16  # bytes from which the delimiter is guessed
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"  # first bytes of such files


def read_table_file(path: Path, data: DataSettings) -> tuple[Arrow, list[str]]:
    """The whole file, and a notice for each thing that was guessed.  Raises InputError."""
    pa = import_pyarrow()
    try:
        if path.is_dir():
            return _stripped(path.name, hugging_face.read_folder(path)), []
        if path.suffix.lower() in (".arrow", ".feather"):
            return _stripped(path.name, hugging_face.read_arrow(path)), []
        with path.open("rb") as file:
            begin = file.read(len(PARQUET))
        if begin == PARQUET or path.suffix.lower() in (".parquet", ".pq"):
            return _stripped(path.name, pa.parquet.read_table(path)), []
        if not path.name.lower().endswith((".csv", ".csv.gz")):
            raise InputError(f"{path.name} is neither .csv, .csv.gz, .parquet, .arrow nor .npz: convert it")
        return _read_csv(path, gzip.open if begin.startswith(GZIP) else open, data)
    except EOFError:
        raise InputError(f"{path.name} ends in the middle (a truncated gzip file): copy or download it again") from None
    except (OSError, UnicodeDecodeError, MemoryError, zlib.error, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name} cannot be read ({reason[:200]}): repair it or export it again") from None


def is_text(kind: Arrow) -> bool:
    types = import_pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind))


def look_like_numbers(values: Arrow, pattern: str = NUMBER) -> NDArray[np.bool_]:
    """Which rows of a text column are numbers or missing."""
    matches: NDArray[np.bool_] = (
        import_pyarrow().compute.match_substring_regex(values, pattern).fill_null(True).to_numpy()
    )
    return matches


def is_mostly_numbers(values: Arrow) -> bool:
    present = values.drop_null() if is_text(values.type) else ()
    return len(present) > 0 and bool(look_like_numbers(present).mean() > 0.5)


def abbreviate(names: Sequence[str]) -> str:
    shown = ", ".join(name or "(without a name)" for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# private


def _read_csv(path: Path, open_file: Callable[..., Any], data: DataSettings) -> tuple[Arrow, list[str]]:
    with open_file(path, "rb") as file:
        sample = file.read(SAMPLE)
        marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if sample.startswith(mark)), None)
        encoding = data.encoding or marked or "utf8"
        arrow = _parse_csv(path.name, file, sample, encoding, data.header)
        notices = []
        if arrow is None and encoding == "utf8":
            encoding = FALLBACK
            arrow = _parse_csv(path.name, file, sample, encoding, data.header)
            notices.append(f"{path.name} is not UTF-8 and was read as Windows-1252 (else set data.encoding).")
    if arrow is None:
        raise InputError(
            f"{path.name} is not encoded as {encoding}: set data.encoding to the right encoding, or save the file as "
            "UTF-8"
        )
    arrow = _stripped(path.name, arrow, data.label if data.header else None)
    if _delimiter(sample, encoding) != ",":
        arrow, converted = _with_decimal_points(arrow)
        if converted:
            notices.append(f"Columns with decimal commas: {abbreviate(converted)}.")
    return arrow, notices


def _parse_csv(name: str, file: IO[bytes], sample: bytes, encoding: str, header: bool) -> Arrow | None:
    """None: the file has another encoding."""
    pa = import_pyarrow()
    file.seek(0)
    try:
        if "\0" in encoding:  # for which codecs raise a ValueError
            raise LookupError(encoding)
        arrow = pa.csv.read_csv(
            pa.PythonFile(file, "r"),
            pa.csv.ReadOptions(encoding=encoding, autogenerate_column_names=not header),
            pa.csv.ParseOptions(delimiter=_delimiter(sample, encoding), newlines_in_values=True),
        )
        names = arrow.column_names if header else [f"c{i}" for i in range(arrow.num_columns)]
    except UnicodeError:
        return None
    except LookupError:
        raise InputError(f'data.encoding = "{encoding}": no such encoding; write one such as "cp1252"') from None
    if any(map(pa.types.is_binary, arrow.schema.types)):  # texts that are not UTF-8
        return None
    return arrow.rename_columns(names)


def _delimiter(sample: bytes, encoding: str) -> str:
    """The delimiter that occurs equally often in each of the first lines, or else most often in the first."""
    text = re.sub(r'"[^"]*"', "", sample.decode(encoding, "replace"))
    lines = [line for line in text.split("\n") if line.strip()][:10] or [""]
    for delimiter in DELIMITERS:
        if {line.count(delimiter) for line in lines} == {lines[0].count(delimiter)} != {0}:
            return delimiter
    return max(DELIMITERS, key=lines[0].count)


def _stripped(name: str, arrow: Arrow, label: str | None = None) -> Arrow:
    """The table without blanks around names and texts.  ``label``: given if the names are the first line of a CSV."""
    names = [column.strip() for column in arrow.column_names]
    if label is not None:
        _require_header(name, names, label)
    duplicates = sorted(column for column, count in Counter(names).items() if count > 1)
    if duplicates:
        raise InputError(f"{name} has two columns named '{duplicates[0]}': rename one")
    return import_pyarrow().table([_without_blanks(column) for column in arrow.columns], names)


def _without_blanks(values: Arrow) -> Arrow:
    pa = import_pyarrow()
    if pa.types.is_dictionary(values.type) and is_text(values.type.value_type):
        values = values.cast(values.type.value_type)
    if not is_text(values.type):
        return values
    values = pa.compute.utf8_trim_whitespace(values)
    return pa.compute.if_else(pa.compute.equal(values, ""), pa.scalar(None, values.type), values)


def _require_header(name: str, names: Sequence[str], label: str) -> None:
    """Raises InputError if the names look like a row of data.  Ascending integers may be names, as pandas gives."""
    numbers = [column for column in names if re.search(NUMBER, column)]
    are_integers = all(re.fullmatch("[0-9]{1,18}", column) for column in names)
    is_ascending = are_integers and list(map(int, names)) == sorted(set(map(int, names)))
    if (numbers and label not in names) or (len(numbers) == len(names) and not is_ascending):
        raise InputError(
            f"{name} seems to have no header, because its first line contains {numbers[0]}: set data.header = false "
            f'and name columns by position, such as data.label = "c0" (c0 to c{len(names) - 1}); if it has one, set '
            f"data.label to one of {abbreviate(names)}"
        )


def _with_decimal_points(arrow: Arrow) -> tuple[Arrow, list[str]]:
    """The table with decimal commas replaced, if a column certainly has such, and the names of these columns."""
    pa, converted = import_pyarrow(), []
    candidates = [column for column in arrow.column_names if is_mostly_numbers(arrow[column])]
    if not any(_has_decimal_commas(arrow[column]) for column in candidates):
        return arrow, []
    for column in candidates:
        values = pa.compute.replace_substring(arrow[column], ",", ".")
        if look_like_numbers(values).all():
            values = values.cast(pa.float64())
            converted.append(column)
        arrow = arrow.set_column(arrow.column_names.index(column), column, values)
    return arrow, converted


def _has_decimal_commas(values: Arrow) -> bool:
    return bool(look_like_numbers(values).all() and look_like_numbers(values.drop_null(), DECIMAL_COMMA).any())
