"""Tables of the project's own form: standardised, labelled 1 for signal, each row with a mass.

- An ``.npz`` with ``features`` (R, 27), standardised; ``mass`` (R,) in GeV; ``label`` (R,), 1 = signal; ``mean`` and
  ``std`` (27,), the standardisation.  The network sees 28 columns: the features and the scaled mass.
- A folder that `learnae data hepmass` wrote: the same as files of their own, so that ten million rows are mapped and
  not loaded.  ``features.npy`` has the 28 columns as float16; ``about.json`` says where they are from.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import FEATURES, Dataset, check_classes
from learnae.learn.datasets.hepmass import ABOUT
from learnae.learn.datasets.hepmass_reader import COLUMNS, MASS_MEAN, MASS_STD

KEYS = ("features", "mean", "std", "mass", "label")
GROUP = "mass"
FIX = "generate the file again"
CONVERT = "convert it again with `learnae data hepmass`"


def npz(path: Path) -> Dataset:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path.name} is no .npz file; restore it or generate it again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in KEYS if key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path.name} cannot be read ({error}); restore it or generate it again") from error
    _check(path.name, arrays)
    features = np.empty((len(arrays["label"]), FEATURES), np.float32)
    features[:, :COLUMNS] = arrays["features"]
    features[:, COLUMNS] = scaled(arrays["mass"].astype(np.float32))
    return _table(torch.from_numpy(features), arrays["label"], arrays["mass"], arrays["mean"], arrays["std"])


def folder(path: Path) -> Dataset:
    """Features stay in their file: a page is read when a row of it is."""
    try:
        about: dict[str, Any] = json.loads((path / ABOUT).read_text())
        features = np.load(
            path / "features.npy", mmap_mode="c"
        )  # "c": torch wants it writable; the file is not changed
        label, mass = np.load(path / "label.npy"), np.load(path / "mass.npy")
        mean, std = np.array(about["mean"], np.float64), np.array(about["std"], np.float64)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"the rows of {path.name} cannot be read ({error}); {CONVERT}") from None
    rows = (len(label),)
    if (features.shape, mass.shape, label.shape) != ((*rows, FEATURES), rows, rows) or len(mean) != COLUMNS:
        raise InputError(f"the files in {path.name} do not belong together; {CONVERT}")
    return _table(torch.from_numpy(features), label, mass, mean, std)


def scaled(mass: NDArray[np.float32]) -> NDArray[np.float32]:
    """The 28th column."""
    return (mass - np.float32(MASS_MEAN)) / np.float32(MASS_STD)


def _table(features: torch.Tensor, label: Any, mass: Any, mean: Any, std: Any) -> Dataset:
    return Dataset(
        features=features,
        labels=torch.from_numpy(label.astype(np.int64)),
        mean=(*map(float, mean), MASS_MEAN),
        std=(*map(float, std), MASS_STD),
        groups=mass.astype(np.int64),
        group=GROUP,
    )


def _check(name: str, arrays: dict[str, NDArray[np.generic]]) -> None:
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise InputError(f"{name} lacks {', '.join(missing)} (needed: {', '.join(KEYS)}); {FIX}")
    rows = len(np.atleast_1d(arrays["label"]))
    shapes = {"features": (rows, COLUMNS), "mean": (COLUMNS,), "std": (COLUMNS,), "mass": (rows,), "label": (rows,)}
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise InputError(f"{name}: {key} has shape {arrays[key].shape} instead of {shape}; {FIX}")
        if arrays[key].dtype.kind not in "fiub" or not np.isfinite(arrays[key]).all():
            raise InputError(f"{name}: {key} holds values that are no finite numbers; {FIX}")
    if not np.isin(arrays["label"], (0, 1)).all():
        raise InputError(f"{name}: label holds something else than 0 and 1; {FIX}")
    check_classes(name, arrays["label"].astype(np.int64), FIX)
