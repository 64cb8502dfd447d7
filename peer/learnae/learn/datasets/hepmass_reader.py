"""One of UCI's HEPMASS files, .csv.gz as it is, as blocks of rows.  Imports no torch.

What they are like: a header line; the label first (1 = signal); 27 features; then the mass, a bit off a whole number.
Those of one mass, ``1000_*``, have no mass or a surplus last column, and a header that does not fit.
"""

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.optional_pyarrow import pyarrow

COLUMNS = 27  # features
MASSES = (500, 750, 1000, 1250, 1500)  # GeV
MASS_MEAN, MASS_STD = 1000.0, 353.55  # of them
LARGEST = 1e4  # UCI's features are normalised
OFF = 50.0  # GeV that a mass may be off
BLOCK = 4 << 20  # bytes of text parsed at once

Floats = NDArray[np.float32]
Block = tuple[Floats, NDArray[np.uint8], NDArray[np.int16]]  # features (n, 27), labels (n,), masses (n,) in GeV


@dataclass(frozen=True)
class FileShape:
    fields: int  # in a line
    mass: bool  # the 29th is the mass
    packed: bool  # by gzip

    @property
    def names(self) -> list[str]:
        return [str(number) for number in range(self.fields)]


class CountedFile(io.RawIOBase):
    """A file that is read once: how much of it, and its checksum."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("rb", buffering=0)
        self.count, self.sha256 = 0, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = int(self._file.readinto(buffer))  # type: ignore[attr-defined]
        self.sha256.update(memoryview(buffer)[:count])
        self.count += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def blocks(path: Path, source: CountedFile) -> Iterator[Block]:
    """A few thousand rows at a time.  InputError: what is wrong, in which line."""
    pa = pyarrow()
    try:
        with source:
            shape = _shape(path)
            stream = pa.PythonFile(source, "r")
            stream = pa.CompressedInputStream(stream, "gzip") if shape.packed else stream
            reader = pa.csv.open_csv(
                stream,
                # not in parallel: then an error knows its line, and decompression takes most of the time anyway
                read_options=pa.csv.ReadOptions(
                    block_size=BLOCK, column_names=shape.names, skip_rows=1, use_threads=False
                ),
                convert_options=pa.csv.ConvertOptions(
                    column_types={name: pa.float32() for name in shape.names},
                    include_columns=shape.names[: 1 + COLUMNS + shape.mass],
                ),
            )
            line = 2
            for batch in reader:
                yield _checked(path.name, line, batch, shape)
                line += len(batch)
    except (EOFError, OSError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise InputError(_told(path.name, str(error))) from None


def _shape(path: Path) -> FileShape:
    """From its first lines."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as file:
        lines = [file.readline(1 << 16).decode("utf-8", "replace").strip() for _ in range(2)]
    header, row = ([field.strip() for field in line.rstrip(",").split(",")] for line in lines)
    if header[0].strip("# \"'").lower() != "label":
        raise InputError(
            f"{path.name}: the first column is '{header[0][:40]}' instead of the label: give UCI's file with its "
            "header line"
        )
    found, single = len(row), path.name.startswith("1000_")
    if found == 1 and not row[0]:
        raise InputError(f"{path.name} holds no rows: copy or download it again")
    if found < 1 + COLUMNS or found > 2 + COLUMNS and not single:
        raise InputError(
            f"{path.name} has {found} columns instead of the label, {COLUMNS} features and the mass: that is no "
            "HEPMASS file"
        )
    if found == 1 + COLUMNS and not single:
        raise InputError(
            f"{path.name} has no mass column, which only UCI's files 1000_* may lack: give all_* or not1000_*"
        )
    return FileShape(lines[1].count(",") + 1, not single, packed)


def _checked(name: str, line: int, batch: Any, shape: FileShape) -> Block:
    """``line``: of the batch's first row."""
    again = "repair or download the file again"
    for number in range(batch.num_columns):
        if batch.column(number).null_count:
            row = int(np.argmax(batch.column(number).is_null().to_numpy(zero_copy_only=False)))
            raise InputError(f"{name}: no number in line {line + row:,}, column {number + 1}: {again}")
    columns = [column.to_numpy() for column in batch.columns]
    label, features = columns[0], np.column_stack(columns[1 : 1 + COLUMNS])
    _refuse(
        ~np.isin(label, (0, 1)),
        lambda row: f"{name}: the label in line {line + row:,} is {label[row]:g}, not 0 or 1: {again}",
    )
    _refuse(
        ~(np.abs(features) < LARGEST).all(1),
        lambda row: f"{name}: line {line + row:,} holds a number that no normalised feature has: {again}",
    )
    if not shape.mass:
        return features, label.astype(np.uint8), np.full(len(label), 1000, np.int16)
    known = np.array(MASSES, np.float32)
    nearest = np.abs(columns[-1][:, None] - known).argmin(1)
    mass = known[nearest]
    _refuse(
        ~(np.abs(columns[-1] - mass) < OFF),
        lambda row: f"{name}: the mass in line {line + row:,} is {columns[-1][row]:g}, none of {MASSES}: {again}",
    )
    return features, label.astype(np.uint8), mass.astype(np.int16)


def _refuse(wrong: NDArray[np.bool_], sentence: Callable[[int], str]) -> None:
    if wrong.any():
        raise InputError(sentence(int(wrong.argmax())))


def _told(name: str, error: str) -> str:
    """pyarrow's words as a sentence of ours."""
    again = "copy or download the file again"
    line = re.search(r"Row #(\d+)", error)
    where = f" in line {int(line[1]):,}" if line else ""
    if value := re.search(r"invalid value '(.*?)'", error, re.DOTALL):
        column = re.search(r"column #(\d+)", error)
        return f"{name}: text{where}, column {int(column[1]) + 1 if column else '?'} ('{value[1][:40]}'): {again}"
    if counts := re.search(r"Expected (\d+) columns, got (\d+)", error):
        return f"{name}: {counts[2]} columns{where} instead of {counts[1]}: {again}"
    if re.search(r"[Tt]runcated|ended before", error):
        return f"{name} ends in the middle (a truncated gzip file): {again}"
    return f"{name} cannot be read ({' '.join(error.split())[:200]}): {again}"
