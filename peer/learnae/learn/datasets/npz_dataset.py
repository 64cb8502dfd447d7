"""Datasets in the project's own format: standardised, label 1 for signal, a mass for each row.

- An ``.npz`` file with ``features`` (R, 27), standardised; ``mass`` (R,) in GeV; ``label`` (R,), 1 = signal; ``mean``
  and ``std`` (27,) of the standardisation.  The network sees 28 columns: the features and the scaled mass.
- A folder written by `learnae data hepmass`: the same arrays as separate files, so that ten million rows are mapped
  instead of loaded.  ``features.npy`` has the 28 columns as float16; ``about.json`` records their origin.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import FEATURES, UNREADABLE, Dataset, require_two_classes
from learnae.learn.datasets.hepmass import METADATA
from learnae.learn.datasets.hepmass_reader import COLUMNS, MASS_MEAN, MASS_STD
from learnae.messages.foreign_json import from_json

KEYS = ("features", "mean", "std", "mass", "label")
GENERATE = "generate the file again"
CONVERT = "convert it again with `learnae data hepmass`"


def read_npz(path: Path) -> Dataset:
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path.name} is not an .npz file: restore it, or for a table of your own set data.path and data.label "
            "instead of data.source"
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in KEYS if key in archive.files}
    except UNREADABLE as error:
        raise InputError(f"{path.name} cannot be read ({error}); restore it or generate it again") from error
    _check(path.name, arrays)
    features = np.empty((len(arrays["label"]), FEATURES), np.float32)
    features[:, :COLUMNS] = arrays["features"]
    features[:, COLUMNS] = (arrays["mass"].astype(np.float32) - np.float32(MASS_MEAN)) / np.float32(MASS_STD)
    return _dataset(torch.from_numpy(features), arrays["label"], arrays["mass"], arrays["mean"], arrays["std"])


def read_folder(path: Path) -> Dataset:
    """Map the features: a page is read from disk when one of its rows is used."""
    try:
        metadata: dict[str, Any] = from_json((path / METADATA).read_text(encoding="utf-8"))
        # "c" (copy on write), because torch requires a writable array; the file is never changed
        features = np.load(path / "features.npy", mmap_mode="c")
        label, mass = np.load(path / "label.npy"), np.load(path / "mass.npy")
        mean, std = np.array(metadata["mean"], np.float64), np.array(metadata["std"], np.float64)
    except UNREADABLE as error:
        raise InputError(f"the rows of {path.name} cannot be read ({error}); {CONVERT}") from None
    rows = (len(label),)
    if (features.shape, mass.shape, label.shape) != ((*rows, FEATURES), rows, rows) or len(mean) != COLUMNS:
        raise InputError(f"the files in {path.name} do not match each other; {CONVERT}")
    return _dataset(torch.from_numpy(features), label, mass, mean, std)


def _dataset(features: torch.Tensor, label: Any, mass: Any, mean: Any, std: Any) -> Dataset:
    return Dataset(
        features=features,
        labels=torch.from_numpy(label.astype(np.int64)),
        mean=(*map(float, mean), MASS_MEAN),
        std=(*map(float, std), MASS_STD),
        groups=mass.astype(np.int64),
        group="mass",
    )


def _check(name: str, arrays: dict[str, NDArray[np.generic]]) -> None:
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise InputError(f"{name} lacks {', '.join(missing)} (required: {', '.join(KEYS)}); {GENERATE}")
    rows = len(np.atleast_1d(arrays["label"]))
    shapes = {"features": (rows, COLUMNS), "mean": (COLUMNS,), "std": (COLUMNS,), "mass": (rows,), "label": (rows,)}
    for key, shape in shapes.items():
        if arrays[key].shape != shape:
            raise InputError(f"{name}: {key} has shape {arrays[key].shape} instead of {shape}; {GENERATE}")
        if arrays[key].dtype.kind not in "fiub" or not np.isfinite(arrays[key]).all():
            raise InputError(f"{name}: {key} contains values that are not finite numbers; {GENERATE}")
    if not np.isin(arrays["label"], (0, 1)).all():
        raise InputError(f"{name}: label contains values other than 0 and 1; {GENERATE}")
    require_two_classes(name, arrays["label"].astype(np.int64), GENERATE)
