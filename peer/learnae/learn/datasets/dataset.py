"""Labelled rows in memory, or mapped from a file, shared by every peer of a process.

A table of the project's own form comes standardised.  Any other is read as it is: its mean and spread are the session's
affair, since they may only be taken from rows that are trained on.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learnae.errors import InputError
from learnae.learn.datasets.hepmass_reader import COLUMNS

FEATURES = COLUMNS + 1  # what the network sees of HEPMASS: the mass is the 28th
CLASSES = 2


@dataclass(frozen=True, eq=False)
class Dataset:
    """R labelled rows.  Peers hold indices into it, never copies."""

    features: Tensor  # (R, F) float32; float64 if not standardised yet, float16 if mapped
    labels: Tensor  # (R,) int64, from 0 to C - 1; in two classes 1 is the signal
    mean: tuple[float, ...] = ()  # (F,) what was subtracted from each column, then
    std: tuple[float, ...] = ()  # (F,) what it was divided by; both empty: not yet
    classes: int = CLASSES
    groups: NDArray[np.int64] | None = None  # (R,) each row's value of
    group: str = ""  # the column that rows can be dealt by
    notice: str | None = None  # one sentence to print: what was left out

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int]:
        """F inputs and C outputs of a network for these rows."""
        return self.features.shape[1], self.classes


def standardised(table: Dataset, rows: Tensor) -> Dataset:
    """The table with mean 0 and spread 1 over ``rows``; itself if it came so.

    Columns that are constant there, or only 0 and 1, stay as they are: a rare indicator would become huge.
    """
    if table.mean:
        return table
    seen = table.features[rows]
    std, mean = torch.std_mean(seen, dim=0, correction=0)
    kept = ((seen == 0) | (seen == 1)).all(0) | (std == 0)
    mean, std = mean.masked_fill(kept, 0), std.masked_fill(kept, 1)
    features = (table.features - mean).div_(std).float()
    return replace(table, features=features, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def check_classes(name: str, labels: NDArray[np.int64], fix: str) -> None:
    """InputError unless there is something to tell apart."""
    if len(labels) == 0:
        raise InputError(f"{name} holds no rows; {fix}")
    if labels.min() == labels.max():
        raise InputError(f"{name}: every row is of one class, so there is nothing to learn; {fix}")
