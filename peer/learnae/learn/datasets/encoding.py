"""Text columns and missing values as numbers, by what the training rows hold: other rows have no influence.

- A one-hot column becomes a column of 0 and 1 for each value that a training row has.  Other values are all zeros.
- A missing number becomes the median of the training rows.
- A column with missing values that are imputed gets another one, which is 1 where the value is missing.

What was fitted is part of the session's manifest, so that all peers agree on it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Column, Dataset

Floats = NDArray[np.float64]


def encode(dataset: Dataset, rows: torch.Tensor) -> Dataset:
    """The dataset with its columns encoded by what ``rows`` hold; unchanged if all are numbers."""
    if not dataset.columns:
        return dataset
    raw, trained = dataset.features.numpy(), rows.numpy()
    parts: list[Floats] = []
    names: list[str] = []
    facts: list[dict[str, Any]] = []
    for index, column in enumerate(dataset.columns):
        fact: dict[str, Any] = {"column": column.name}
        parts += _encoded(column, raw[:, index], trained, fact)
        names += [column.name] * (len(parts) - len(names))
        facts.append(fact)
    features = torch.from_numpy(np.stack(parts, axis=1))
    return replace(dataset, features=features, names=tuple(names), columns=(), encoding=tuple(facts))


# private


def _encoded(column: Column, values: Floats, trained: NDArray[np.int64], fact: dict[str, Any]) -> Iterator[Floats]:
    """The columns that one becomes.  ``fact`` receives what was fitted."""
    missing = np.isnan(values)
    known = values[trained][~missing[trained]]
    if not len(known):
        raise InputError(f"column '{column.name}' has no value in any training row: leave it out of data.features")
    if column.one_hot:
        present = np.unique(known).astype(np.int64)
        fact["values"] = [column.values[code] for code in present]
        yield from ((values == code).astype(np.float64) for code in present)
    else:
        if column.values:
            fact["order"] = list(column.values)
        if column.impute:
            fact["median"] = float(np.median(known))
            values = np.where(missing, fact["median"], values)
        yield values
    if column.impute and missing[trained].any():
        fact["indicator"] = True
        yield missing.astype(np.float64)
