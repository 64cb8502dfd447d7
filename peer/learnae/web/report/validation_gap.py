"""Of the gain that was paid for, how much is absent on rows that no peer has.

A peer adopts an average because it is better on its own validation rows, and pays by that difference.  Whoever picks
the best of many by one set of rows is flattered by those rows; the same two models on test rows say by how much.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from learnae.analysis.statistics import Gain, gains

__all__ = ["Gain", "Total", "gains", "total"]


@dataclass(frozen=True)
class Total:
    """Of some adoptions: their number and their gains in sum, in units of accuracy."""

    count: int
    validation: float
    test: float

    @property
    def absent(self) -> float | None:
        """Share of the validation gain that test rows do not show; below 0 where they show more."""
        return 1 - self.test / self.validation if self.validation > 0 else None


def total(gains: Iterable[Gain]) -> Total:
    chosen = list(gains)
    return Total(len(chosen), sum(each.validation for each in chosen), sum(each.test for each in chosen))
