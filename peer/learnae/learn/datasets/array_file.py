"""Reads an ``.npz`` file of the user's: one array holds the labels, another one the features of any shape.

Images and sequences (R, ...) become rows (R, F); models for them get their shape back.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import UNREADABLE, Dataset, require_two_classes
from learnae.learn.datasets.labels import Classes
from learnae.learn.datasets.table_file import abbreviate
from learnae.learn.datasets.tabular import MAX_CLASSES, PREDICT_IT, to_quantity
from learnae.session.settings import DataSettings
from learnae.session.task import CLASSIFICATION, REGRESSION

FIX = "save the file again with numpy.savez"
COMPLETE = "fill them in, or leave these rows out"


def read(path: Path, data: DataSettings) -> Dataset:
    """``data.label`` names the array of the labels, ``data.features`` that of the features if there are others."""
    arrays = _arrays(path)
    name, label = path.name, data.label or ""
    features = data.features or tuple(array for array in arrays if array != label)
    for setting, array in [("data.label", label), *(("data.features", feature) for feature in features)]:
        if array not in arrays:
            raise InputError(f"{name} has no array '{array}': set {setting} to one of {abbreviate(list(arrays))}")
    if len(features) != 1:
        raise InputError(f"{name} holds the arrays {abbreviate(list(arrays))}: name one of them in data.features")
    return to_dataset(name, arrays[features[0]], arrays[label], data.task)


def to_dataset(
    name: str, features: NDArray[np.generic], labels: NDArray[np.generic], task: str = CLASSIFICATION
) -> Dataset:
    """Features (R, ...) and labels (R,) as a dataset that is not standardised yet.  Raises InputError."""
    rows = len(np.atleast_1d(labels))
    if labels.shape != (rows,) or features.ndim < 2 or len(features) != rows or not features.size:
        raise InputError(
            f"{name}: features of shape {features.shape} and labels of shape {labels.shape} do not match: give "
            "(rows, ...) and (rows,)"
        )
    if features.dtype.kind not in "fiub" or not np.isfinite(features).all():
        raise InputError(f"{name}: the features contain values that are not finite numbers: {COMPLETE}")
    flat = torch.from_numpy(features.reshape(rows, -1).astype(np.float64))
    if task == REGRESSION:
        if labels.dtype.kind not in "fiub" or not np.isfinite(labels).all():
            raise InputError(f"{name}: the labels contain values that are not finite numbers: {COMPLETE}")
        numbers, quantity = to_quantity(name, labels.astype(np.float64))
        return Dataset(flat, torch.from_numpy(numbers), label=quantity, row_shape=features.shape[1:])
    if labels.dtype.kind not in "iubSU":
        raise InputError(
            f"{name}: the classes are neither integers, true/false nor text: make them so, or {PREDICT_IT}"
        )
    distinct, codes = np.unique(labels, return_inverse=True)
    if len(distinct) > MAX_CLASSES:
        raise InputError(f"{name}: {len(distinct):,} different classes, max {MAX_CLASSES}: group them, or {PREDICT_IT}")
    require_two_classes(name, codes.astype(np.int64), "choose another array of classes")
    indices = torch.from_numpy(codes.astype(np.int64))
    return Dataset(flat, indices, label=Classes(len(distinct)), row_shape=features.shape[1:])


# private


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path.name} is not an .npz file; {FIX}")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except UNREADABLE as error:
        raise InputError(f"{path.name} cannot be read ({error}); {FIX}") from None
