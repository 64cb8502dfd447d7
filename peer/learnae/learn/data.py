"""The table of rows, read once and shared by every peer of the process.

A source is an ``.npz`` file with ``features`` (R, 27), standardised; ``mass`` (R,) in GeV; ``label`` (R,), 1 = signal;
``mean`` and ``std`` (27,), the standardisation.  The network sees 28 columns: the features and the scaled mass.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.config import REPOSITORY
from learnae.errors import InputError

SOURCES = {"hepmass-like": REPOSITORY / "data" / "hepmass_like.npz"}
KEYS = ("features", "mean", "std", "mass", "label")
COLUMNS = 27
FEATURES = COLUMNS + 1  # what the network sees: the mass is the 28th
CLASSES = 2
MASS_MEAN, MASS_STD = 1000.0, 353.55  # of {500, 750, 1000, 1250, 1500} GeV


@dataclass(frozen=True, eq=False)
class Table:
    """R labelled rows.  Peers hold indices into it, never copies."""

    features: torch.Tensor  # (R, 28) float32
    labels: torch.Tensor  # (R,) int64, 1 = signal
    mean: tuple[float, ...]  # (28,) what was subtracted from each column, then
    std: tuple[float, ...]  # (28,) what it was divided by

    def __len__(self) -> int:
        return len(self.labels)


def path_of(source: str) -> Path:
    """The file behind a source's name, or the path itself.  InputError if there is no such file."""
    path = SOURCES.get(source, Path(source))
    if not path.is_file():
        names = ", ".join(SOURCES)
        raise InputError(
            f"data source '{source}': there is no file {path.name}; use one of {names} or a path to an .npz"
        )
    return path


def load(source: str) -> Table:
    """Read a table by name or path.  InputError, one sentence, for anything but a sound file."""
    path = path_of(source)
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path.name} is no .npz file; restore it or generate it again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in KEYS if key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path.name} cannot be read ({error}); restore it or generate it again") from error
    _check(path.name, arrays)
    return _table(arrays)


def _check(name: str, arrays: dict[str, NDArray[np.generic]]) -> None:
    fix = "generate the file again"
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise InputError(f"{name} lacks {', '.join(missing)} (needed: {', '.join(KEYS)}); {fix}")
    rows = len(np.atleast_1d(arrays["label"]))
    shapes = {"features": (rows, COLUMNS), "mean": (COLUMNS,), "std": (COLUMNS,), "mass": (rows,), "label": (rows,)}
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise InputError(f"{name}: {key} has shape {arrays[key].shape} instead of {shape}; {fix}")
        if arrays[key].dtype.kind not in "fiub" or not np.isfinite(arrays[key]).all():
            raise InputError(f"{name}: {key} holds values that are no finite numbers; {fix}")
    if not np.isin(arrays["label"], (0, 1)).all():
        raise InputError(f"{name}: label holds something else than 0 and 1; {fix}")


def _table(arrays: dict[str, NDArray[np.generic]]) -> Table:
    features = np.empty((len(arrays["label"]), FEATURES), np.float32)
    features[:, :COLUMNS] = arrays["features"]
    features[:, COLUMNS] = (arrays["mass"].astype(np.float32) - MASS_MEAN) / MASS_STD
    return Table(
        features=torch.from_numpy(features),
        labels=torch.from_numpy(arrays["label"].astype(np.int64)),
        mean=(*map(float, arrays["mean"]), MASS_MEAN),
        std=(*map(float, arrays["std"]), MASS_STD),
    )
