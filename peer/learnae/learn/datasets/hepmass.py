"""UCI's HEPMASS, .csv.gz as it is, becomes a folder of the project's form (``prepared.folder``), in little memory.

The folder appears whole or not at all: everything is written beside it first.  Two passes, because the standardisation
needs all rows: float32 to disk while mean and spread are summed up, then float16.  Imports no torch.
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
from learnae.learn.datasets.hepmass_reader import COLUMNS, MASS_MEAN, MASS_STD, CountedFile, blocks
from learnae.learn.datasets.optional_pyarrow import pyarrow

ABOUT = "about.json"
KNOWN = {  # UCI's files: bytes, SHA-256
    "all_train.csv.gz": (1_760_680_846, "52061273edbe84cbfff6cc5432a04366d3401c39baf80da99d9baf91e0165498"),
    "all_test.csv.gz": (880_352_641, "eccba00f8d82c471c582ab629084103356f8dda637fad6d43f16a056673091b3"),
}
CHUNK = 100_000  # rows standardised at once

Tick = Callable[[str, int, float], None]  # file, rows so far, share of all bytes


@dataclass(frozen=True)
class ConvertedFile:
    """A file that has been read."""

    name: str
    rows: int
    sha256: str


def convert(paths: Sequence[Path], folder: Path, verify: bool, tick: Tick) -> int:
    """Write ``folder`` anew from these files; how many rows it has.  InputError: one sentence, and nothing is written.

    ``verify``: a file with the name of one of UCI's must be that file.
    """
    pyarrow()
    for path in paths:
        _there(path, verify)
    _no_row_twice([path.name for path in paths])
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    try:
        part.mkdir(parents=True)
        rows = _written(paths, part, verify, tick)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}): make room, or set LEARNAE_DATA to a "
            "folder that has it"
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return rows


def _written(paths: Sequence[Path], part: Path, verify: bool, tick: Tick) -> int:
    size, before, rows = sum(path.stat().st_size for path in paths), 0, 0
    labels, masses, parts = [], [], []
    total, squares = np.zeros(COLUMNS), np.zeros(COLUMNS)
    with (part / "floats").open("wb") as floats:
        for path in paths:
            first, source = rows, CountedFile(path)
            for features, label, mass in blocks(path, source):
                features.tofile(floats)
                labels.append(label)
                masses.append(mass)
                total += features.sum(0, dtype=np.float64)
                squares += np.square(features, dtype=np.float64).sum(0)
                rows += len(label)
                tick(path.name, rows, (before + source.count) / size)
            before += source.count
            if rows == first:
                raise InputError(f"{path.name} holds no rows: copy or download it again")
            _same(path.name, source, verify)
            parts.append(ConvertedFile(path.name, rows - first, source.sha256.hexdigest()))
    label, mass = np.concatenate(labels), np.concatenate(masses)
    if label.min() == label.max():
        raise InputError(
            f"every row is of class {label[0]}, so there is nothing to learn: give files with both classes"
        )
    mean = total / rows
    std = np.sqrt(np.maximum(squares / rows - mean**2, 0))
    std[std < 1e-6] = 1.0
    digest = _standardise(part, rows, mean, std, mass)
    (part / "floats").unlink()
    np.save(part / "label.npy", label)
    np.save(part / "mass.npy", mass)
    about = {"files": [asdict(each) for each in parts], "rows": rows, "sha256": digest}
    text = json.dumps({**about, "mean": mean.tolist(), "std": std.tolist()}, indent=1)
    (part / ABOUT).write_text(text + "\n")
    return rows


def _standardise(part: Path, rows: int, mean: NDArray[np.float64], std: NDArray[np.float64], mass: Any) -> str:
    """Write ``features.npy`` from ``floats``; its SHA-256, header left out."""
    digest = hashlib.sha256()
    header = {"descr": "<f2", "fortran_order": False, "shape": (rows, COLUMNS + 1)}
    with (part / "floats").open("rb") as floats, (part / "features.npy").open("wb") as features:
        np.lib.format.write_array_header_1_0(features, header)
        for begin in range(0, rows, CHUNK):
            raw = np.fromfile(floats, np.float32, CHUNK * COLUMNS).reshape(-1, COLUMNS)
            block = np.empty((len(raw), COLUMNS + 1), np.float16)
            block[:, :COLUMNS] = (raw - mean) / std  # never more than sqrt(rows), so float16 holds it
            block[:, COLUMNS] = (mass[begin : begin + CHUNK] - MASS_MEAN) / MASS_STD
            digest.update(block.data)
            block.tofile(features)
    return digest.hexdigest()


def _there(path: Path, verify: bool) -> None:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; `learnae data fetch hepmass` downloads UCI's")
    size, _ = KNOWN.get(path.name, (None, ""))
    if verify and size is not None and path.stat().st_size != size:
        raise InputError(
            f"{path.name} has {path.stat().st_size:,} bytes, UCI's file of that name {size:,}: download it again, or "
            "say --no-checksum if it is meant to be another"
        )


def _same(name: str, source: CountedFile, verify: bool) -> None:
    _, known = KNOWN.get(name, (None, ""))
    found = source.sha256.hexdigest()
    if verify and known and found != known:
        raise InputError(
            f"{name} is not UCI's file of that name (SHA-256 {found[:12]}... instead of {known[:12]}...): download it "
            "again, or say --no-checksum if it is meant to be another"
        )


def _no_row_twice(names: Sequence[str]) -> None:
    """Or test rows would be trained on."""
    if len(set(names)) < len(names):
        raise InputError("a file is named twice, so its rows would be there twice: name each once")
    if len({name.startswith("all_") for name in names}) > 1:
        raise InputError("all_* holds the rows of 1000_* and not1000_* already: name either all_* or the others")
