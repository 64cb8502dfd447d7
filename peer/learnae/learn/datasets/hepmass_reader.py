"""Reads one of UCI's HEPMASS files (.csv.gz) as blocks of rows.  Imports no torch.

Format: a header line; per row the label (1 = signal), 27 features and the mass, which is not quite an integer.  Files
of a single mass, ``1000_*``, have no mass or an additional last column, and a header that does not match.
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
from learnae.learn.datasets.optional_pyarrow import import_pyarrow

COLUMNS = 27  # of features
MASSES = (500, 750, 1000, 1250, 1500)  # GeV
MASS_MEAN, MASS_STD = 1000.0, 353.55  # of MASSES
MAX_FEATURE = 1e4  # UCI's features are normalised
MASS_TOLERANCE = 50.0  # GeV
BLOCK = 4 << 20  # bytes of text parsed at once

Floats = NDArray[np.float32]
Block = tuple[Floats, NDArray[np.uint8], NDArray[np.int16]]  # features (n, 27), labels (n,), masses (n,) in GeV


@dataclass(frozen=True)
class FileShape:
    fields: int  # per line
    mass: bool  # whether the 29th field is the mass
    compressed: bool  # with gzip

    @property
    def names(self) -> list[str]:
        return [str(number) for number in range(self.fields)]


class CountedFile(io.RawIOBase):
    """A file that is read once; counts the bytes and computes the checksum."""

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


def read_blocks(path: Path, source: CountedFile) -> Iterator[Block]:
    """Yield a few thousand rows at a time.  InputError names the line and what is wrong with it."""
    pa = import_pyarrow()
    try:
        with source:
            shape = _detect_shape(path)
            stream = pa.PythonFile(source, "r")
            stream = pa.CompressedInputStream(stream, "gzip") if shape.compressed else stream
            reader = pa.csv.open_csv(
                stream,
                # single-threaded, so that errors name the line; decompression takes most of the time anyway
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
                yield _validate(path.name, line, batch, shape)
                line += len(batch)
    except (EOFError, OSError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise InputError(_explain(path.name, str(error))) from None


def _detect_shape(path: Path) -> FileShape:
    """The format of a file, from its first lines."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else path.open("rb") as file:
        lines = [file.readline(1 << 16).decode("utf-8", "replace").strip() for _ in range(2)]
    header, row = ([field.strip() for field in line.rstrip(",").split(",")] for line in lines)
    if header[0].strip("# \"'").lower() != "label":
        raise InputError(
            f"{path.name}: the first column is '{header[0][:40]}' instead of the label: give UCI's file with its "
            "header line"
        )
    fields, single_mass = len(row), path.name.startswith("1000_")
    if fields == 1 and not row[0]:
        raise InputError(f"{path.name} contains no rows: copy or download it again")
    if fields < 1 + COLUMNS or fields > 2 + COLUMNS and not single_mass:
        raise InputError(
            f"{path.name} has {fields} columns instead of the label, {COLUMNS} features and the mass: this is not a "
            "HEPMASS file"
        )
    if fields == 1 + COLUMNS and not single_mass:
        raise InputError(
            f"{path.name} has no mass column, which only UCI's files 1000_* may lack: give all_* or not1000_*"
        )
    return FileShape(lines[1].count(",") + 1, not single_mass, compressed)


def _validate(name: str, line: int, batch: Any, shape: FileShape) -> Block:
    """The arrays of a batch whose first row is in ``line``.  Raises InputError for the first invalid row."""
    fix = "repair or download the file again"
    for index in range(batch.num_columns):
        if batch.column(index).null_count:
            row = int(np.argmax(batch.column(index).is_null().to_numpy(zero_copy_only=False)))
            raise InputError(f"{name}: no number in line {line + row:,}, column {index + 1}: {fix}")
    columns = [column.to_numpy() for column in batch.columns]
    label, features = columns[0], np.column_stack(columns[1 : 1 + COLUMNS])
    _reject_rows(
        ~np.isin(label, (0, 1)),
        lambda row: f"{name}: the label in line {line + row:,} is {label[row]:g}, not 0 or 1: {fix}",
    )
    _reject_rows(
        ~(np.abs(features) < MAX_FEATURE).all(1),
        lambda row: f"{name}: line {line + row:,} contains a number too large for a normalised feature: {fix}",
    )
    if not shape.mass:
        return features, label.astype(np.uint8), np.full(len(label), 1000, np.int16)
    valid_masses = np.array(MASSES, np.float32)
    mass = valid_masses[np.abs(columns[-1][:, None] - valid_masses).argmin(1)]
    _reject_rows(
        ~(np.abs(columns[-1] - mass) < MASS_TOLERANCE),
        lambda row: f"{name}: the mass in line {line + row:,} is {columns[-1][row]:g}, none of {MASSES}: {fix}",
    )
    return features, label.astype(np.uint8), mass.astype(np.int16)


def _reject_rows(invalid: NDArray[np.bool_], message: Callable[[int], str]) -> None:
    if invalid.any():
        raise InputError(message(int(invalid.argmax())))


def _explain(name: str, error: str) -> str:
    """pyarrow's error as a sentence for the user."""
    fix = "copy or download the file again"
    line = re.search(r"Row #(\d+)", error)
    where = f" in line {int(line[1]):,}" if line else ""
    if value := re.search(r"invalid value '(.*?)'", error, re.DOTALL):
        column = re.search(r"column #(\d+)", error)
        return f"{name}: text{where}, column {int(column[1]) + 1 if column else '?'} ('{value[1][:40]}'): {fix}"
    if counts := re.search(r"Expected (\d+) columns, got (\d+)", error):
        return f"{name}: {counts[2]} columns{where} instead of {counts[1]}: {fix}"
    if re.search(r"[Tt]runcated|ended before", error):
        return f"{name} ends in the middle (a truncated gzip file): {fix}"
    return f"{name} cannot be read ({' '.join(error.split())[:200]}): {fix}"
