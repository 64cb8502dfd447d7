"""Labelled rows, in memory or mapped from a file, shared by all peers of a process.

A dataset in the project's own format is standardised.  Any other is read unchanged and standardised later, because mean
and standard deviation may only be computed from training rows, which the session chooses.
"""

import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learnae.errors import InputError
from learnae.learn.datasets.hepmass_reader import COLUMNS
from learnae.learn.datasets.labels import Classes, Label

FEATURES = COLUMNS + 1  # of HEPMASS as the network sees it: the mass is the 28th
CLASSES = 2
# What zipfile and numpy raise for damaged archives.  RuntimeError: encrypted, or compressed in an unknown way;
# tokenize: numpy takes the header of an array for Python.
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, RuntimeError, SyntaxError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class NamedSource:
    """A data set of LEARNAE.  ``file``: identifies the rows by its content.  ``read`` gets ``data.column``."""

    file: Path
    read: "Callable[[str | None], Dataset]"


class Shape(NamedTuple):
    """What a network is made for."""

    features: int
    classes: int
    row: tuple[int, ...] = ()  # (features,) if empty


HEPMASS = Shape(FEATURES, CLASSES)


@dataclass(frozen=True)
class Column:
    """A column of a file as it was read: numbers, or the index of each row's value; NaN where one is missing."""

    name: str
    values: tuple[str, ...] = ()  # of a one-hot or ordinal column
    one_hot: bool = False
    impute: bool = False


@dataclass(frozen=True, eq=False)
class Dataset:
    """R labelled rows.  Peers hold indices into it, never copies."""

    features: Tensor  # (R, F) float32; float64 before standardisation, float16 if mapped
    labels: Tensor  # (R,) as ``label`` says; with two classes, 1 is the signal
    mean: tuple[float, ...] = ()  # (F,) subtracted from each column; empty before standardisation
    std: tuple[float, ...] = ()  # (F,) divisor of each column; empty before standardisation
    label: Label = Classes(CLASSES)
    row_shape: tuple[int, ...] = ()  # of images and sequences, whose numbers are the columns
    groups: NDArray[np.int64] | None = None  # (R,) each row's value in the column ``group``
    group: str = ""  # the column that rows can be partitioned by
    names: tuple[str, ...] = ()  # (F,) the column that each feature comes from; empty if they have no names
    columns: tuple[Column, ...] = ()  # to encode once the training rows are known; empty if all are numbers
    encoding: tuple[Mapping[str, Any], ...] = ()  # how they were encoded
    notice: str | None = None  # one sentence to print: columns that were left out
    sha256: str = ""  # of the file that identifies the rows
    metric: str = "accuracy"  # that scores models on these rows

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return self.label.outputs

    @property
    def shape(self) -> Shape:
        return Shape(self.features.shape[1], self.classes, self.row_shape)

    @property
    def statistics(self) -> dict[str, object]:
        encoding = {"encoding": list(self.encoding)} if self.encoding else {}
        return {**self.label.statistics, "mean": list(self.mean), "std": list(self.std), **encoding}

    def select(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Features (P, B, F) and labels (P, B) of rows (P, B)."""
        flat = rows.reshape(-1)
        features = self.features.index_select(0, flat).float()
        return features.view(*rows.shape, self.shape[0]), self.labels.index_select(0, flat).view(rows.shape)


def standardise(dataset: Dataset, rows: Tensor) -> Dataset:
    """The dataset with mean 0 and standard deviation 1 over ``rows``; unchanged if it is standardised already.

    So are labels that are numbers.  InputError: they are all the same, or numbers are too large.

    Columns that are constant in these rows or contain only 0 and 1 stay unchanged: a rare indicator would become huge.
    """
    if dataset.mean:
        return dataset
    selected = dataset.features[rows]
    std, mean = torch.std_mean(selected, dim=0, correction=0)
    unchanged = ((selected == 0) | (selected == 1)).all(0) | (std == 0)
    mean, std = mean.masked_fill(unchanged, 0), std.masked_fill(unchanged, 1)
    features = (dataset.features - mean).div_(std).float()
    usable = torch.isfinite(std) & torch.isfinite(features.sum(0))
    if not usable.all():
        index = int(usable.int().argmin())
        name = f"column '{dataset.names[index]}'" if dataset.names else f"feature {index + 1}"
        raise InputError(f"{name} has values that are too large to compute with: leave it out, or change its unit")
    label, labels = dataset.label.standardised(dataset.labels, rows)
    scales = tuple(mean.tolist()), tuple(std.tolist())
    return replace(dataset, features=features, labels=labels, mean=scales[0], std=scales[1], label=label)


def require_two_classes(name: str, labels: NDArray[np.int64], fix: str) -> None:
    """Raises InputError unless the rows belong to two or more classes."""
    if len(labels) == 0:
        raise InputError(f"{name} contains no rows; {fix}")
    if labels.min() == labels.max():
        raise InputError(f"{name}: all rows have the same class, so there is nothing to learn; {fix}")


@dataclass(frozen=True, eq=False)
class PeerRows:
    """The rows of one peer in a dataset.  A peer without rows cannot train and validates on its judging block."""

    train: Tensor  # (n,) int64
    validation: Tensor  # (v,) int64
