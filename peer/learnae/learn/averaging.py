"""Averaging rules: how a peer combines its own weights with a neighbour's.  A new rule is one entry in ``RULES``."""

from collections.abc import Callable
from typing import Final

from torch import Tensor


def mean(local: Tensor, remote: Tensor) -> Tensor:
    """The mean of two models (T,), as in section 1.1; halved before the addition, so that the result is finite."""
    return local * 0.5 + remote * 0.5


RULES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {"mean": mean}
average = RULES["mean"]
