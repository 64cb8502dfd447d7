"""Rows that a function of the user's returns: a data set as a plug-in (docs/how-to/plugins.md)."""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets import array_file
from learnae.learn.datasets.dataset import Dataset
from learnae.plugins import Kind, call_before_start, plugin, shown, source_of


def read(reference: str, task: str) -> Dataset:
    """Raises InputError: the function raises, returns something else, or other rows than before."""
    name = f"plug-in {shown(reference)}"
    made = call_before_start(reference, plugin(Kind.DATASETS, reference))
    if type(made) is not tuple or len(made) != 2 or any(type(array) is not np.ndarray for array in made):
        raise InputError(
            f"{name} returned {_described(made)}: return two NumPy arrays, (features, labels), such as of shape "
            "(rows, columns) and (rows,)"
        )
    dataset = array_file.to_dataset(name, *made, task)
    digest = hashlib.sha256(b"".join(map(_content, made))).hexdigest()
    if _seen(reference).setdefault(reference, digest) != digest:
        raise InputError(
            f"{name} returned other rows than the time before: return the same each time, also in other processes, "
            "such as by seeding its random generator and sorting sets"
        )
    return replace(dataset, sha256=digest)


def sha256_of(reference: str, task: str) -> str:
    """Identifies the rows by their values.  Raises InputError."""
    return _seen(reference).get(reference) or read(reference, task).sha256


# private


def _seen(reference: str) -> dict[str, str]:
    """The digests of rows that this process, or the one that started it, has seen."""
    source = source_of(reference)
    return source.rows if source else {}


def _described(made: Any) -> str:
    """Its type, and those in a short tuple."""
    parts = (
        f" of {', '.join(type(part).__name__ for part in made)}"
        if isinstance(made, tuple) and 0 < len(made) < 5
        else ""
    )
    return f"{type(made).__name__}{parts}"


def _content(array: NDArray[np.generic]) -> bytes:
    return f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes()
