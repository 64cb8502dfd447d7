"""Reward functions (section 3.1): the price of a successful averaging, in exact integer arithmetic.

A factor is wei per unit of accuracy (for ``flat``: wei per success).  The only rounding is the floor of the last
division; it favours the payer by less than one wei.
"""

from collections.abc import Callable

from learnae.protocol.types import Score, Wei

RewardFunction = Callable[[Score, Score, Wei], Wei]


def proportional(before: Score, after: Score, factor: Wei) -> Wei:
    """Eq. 1: Payment = RewardFactor * (AchievedAccuracy - CurrentAccuracy)."""
    return Wei(factor * _gain(before, after) // (before.total * after.total))


def flat(before: Score, after: Score, factor: Wei) -> Wei:
    """The same amount for every success."""
    return factor


def error_reduction(before: Score, after: Score, factor: Wei) -> Wei:
    """The share of the remaining error that was removed: the same gain earns more when it comes late."""
    return Wei(factor * _gain(before, after) // (after.total * (before.total - before.correct)))


def _gain(before: Score, after: Score) -> int:
    """The gain in accuracy times both totals, which is an integer."""
    return after.correct * before.total - before.correct * after.total


FUNCTIONS: dict[str, RewardFunction] = {
    "proportional": proportional,
    "flat": flat,
    "error-reduction": error_reduction,
}
