"""Converts UCI's HEPMASS files (.csv.gz) to a folder in the project's format (``npz_dataset.read_folder``).

Needs little memory.  The folder appears whole or not at all: it is written under another name and then renamed.  Two
passes, because the standardisation needs all rows: float32 to disk while mean and variance are summed up, then float16.
Imports no torch.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.hepmass_reader import COLUMNS, MASS_MEAN, MASS_STD, CountedFile, read_blocks
from learnae.learn.datasets.optional_pyarrow import import_pyarrow

METADATA = "about.json"
CHECKSUMS = {  # of UCI's files: bytes, SHA-256
    "all_train.csv.gz": (1_760_680_846, "52061273edbe84cbfff6cc5432a04366d3401c39baf80da99d9baf91e0165498"),
    "all_test.csv.gz": (880_352_641, "eccba00f8d82c471c582ab629084103356f8dda637fad6d43f16a056673091b3"),
}
CHUNK = 100_000  # rows standardised at once

Progress = Callable[[str, int, float], None]  # file, rows so far, share of all bytes


@dataclass(frozen=True)
class ConvertedFile:
    """A file that has been read, as recorded in the metadata."""

    name: str
    rows: int
    sha256: str


def convert(paths: Sequence[Path], folder: Path, verify: bool, progress: Progress) -> int:
    """Write ``folder`` from these files and return its number of rows.  On InputError, nothing is changed.

    ``verify``: a file with the name of one of UCI's files must be that file.
    """
    import_pyarrow()
    for path in paths:
        _require_file(path, verify)
    _require_distinct_rows([path.name for path in paths])
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # left by a run that was killed
    try:
        part.mkdir(parents=True)
        rows = _write(paths, part, verify, progress)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}): free some space, or set LEARNAE_DATA to "
            "another folder"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return rows


def _write(paths: Sequence[Path], part: Path, verify: bool, progress: Progress) -> int:
    size = sum(path.stat().st_size for path in paths)
    before = rows = 0
    labels, masses, files = list[Any](), list[Any](), list[ConvertedFile]()
    total, squares = np.zeros(COLUMNS), np.zeros(COLUMNS)
    with (part / "floats").open("wb") as floats:
        for path in paths:
            first, source = rows, CountedFile(path)
            for features, label, mass in read_blocks(path, source):
                features.tofile(floats)
                labels.append(label)
                masses.append(mass)
                total += features.sum(0, dtype=np.float64)
                squares += np.square(features, dtype=np.float64).sum(0)
                rows += len(label)
                progress(path.name, rows, (before + source.count) / size)
            before += source.count
            if rows == first:
                raise InputError(f"{path.name} contains no rows: copy or download it again")
            _verify_checksum(path.name, source, verify)
            files.append(ConvertedFile(path.name, rows - first, source.sha256.hexdigest()))
    label, mass = np.concatenate(labels), np.concatenate(masses)
    if label.min() == label.max():
        raise InputError(f"all rows have class {label[0]}, so there is nothing to learn: give files with both classes")
    mean = total / rows
    std = np.sqrt(np.maximum(squares / rows - mean**2, 0))
    std[std < 1e-6] = 1.0
    digest = _standardise(part, rows, mean, std, mass)
    (part / "floats").unlink()
    np.save(part / "label.npy", label)
    np.save(part / "mass.npy", mass)
    metadata = {"files": [asdict(file) for file in files], "rows": rows, "sha256": digest}
    text = json.dumps({**metadata, "mean": mean.tolist(), "std": std.tolist()}, indent=1)
    (part / METADATA).write_text(text + "\n", encoding="utf-8")
    return rows


def _standardise(part: Path, rows: int, mean: NDArray[np.float64], std: NDArray[np.float64], mass: Any) -> str:
    """Write ``features.npy`` from ``floats`` and return its SHA-256, without the header."""
    digest = hashlib.sha256()
    header = {"descr": "<f2", "fortran_order": False, "shape": (rows, COLUMNS + 1)}
    with (part / "floats").open("rb") as floats, (part / "features.npy").open("wb") as features:
        np.lib.format.write_array_header_1_0(features, header)
        for begin in range(0, rows, CHUNK):
            raw = np.fromfile(floats, np.float32, CHUNK * COLUMNS).reshape(-1, COLUMNS)
            block = np.empty((len(raw), COLUMNS + 1), np.float16)
            block[:, :COLUMNS] = (raw - mean) / std  # never above sqrt(rows), so float16 is large enough
            block[:, COLUMNS] = (mass[begin : begin + CHUNK] - MASS_MEAN) / MASS_STD
            digest.update(block.data)
            block.tofile(features)
    return digest.hexdigest()


def _require_file(path: Path, verify: bool) -> None:
    if not path.is_file():
        raise InputError(f"{path}: no such file; `learnae data fetch hepmass` downloads UCI's")
    size, _ = CHECKSUMS.get(path.name, (None, ""))
    if verify and size is not None and path.stat().st_size != size:
        raise InputError(
            f"{path.name} has {path.stat().st_size:,} bytes, but UCI's file of that name has {size:,}: download it "
            "again, or give --no-checksum if it is another file"
        )


def _verify_checksum(name: str, source: CountedFile, verify: bool) -> None:
    _, expected = CHECKSUMS.get(name, (None, ""))
    actual = source.sha256.hexdigest()
    if verify and expected and actual != expected:
        raise InputError(
            f"{name} is not UCI's file of that name (SHA-256 {actual[:12]}... instead of {expected[:12]}...): download "
            "it again, or give --no-checksum if it is another file"
        )


def _require_distinct_rows(names: Sequence[str]) -> None:
    """A row that occurs twice could be both a training and a test row."""
    if len(set(names)) < len(names):
        raise InputError("a file is named twice, so its rows would occur twice: name each file once")
    if len({name.startswith("all_") for name in names}) > 1:
        raise InputError("all_* already contains the rows of 1000_* and not1000_*: name either all_* or the others")
