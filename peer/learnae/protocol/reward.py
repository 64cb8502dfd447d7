"""Reward functions (section 3.1): what a successful averaging is worth, in exact integer arithmetic.

A factor is wei per unit of accuracy (for ``flat``: wei per success).  The one rounding is the floor of the last
division, in the payer's favour by less than one wei.
"""

from collections.abc import Callable

from learnae.protocol.types import Score, Wei

RewardFunction = Callable[[Score, Score, Wei], Wei]


def proportional(before: Score, after: Score, factor: Wei) -> Wei:
    """Eq. 1: Payment = RewardFactor * (AchievedAccuracy - CurrentAccuracy)."""
    return Wei(factor * _gain(before, after) // (before.total * after.total))


def flat(before: Score, after: Score, factor: Wei) -> Wei:
    """The same for every success."""
    return factor


def error_reduction(before: Score, after: Score, factor: Wei) -> Wei:
    """The share of the remaining error that was removed: late gains are dearer than early ones."""
    return Wei(factor * _gain(before, after) // (after.total * (before.total - before.correct)))


def _gain(before: Score, after: Score) -> int:
    """Times both totals, so that it stays an integer."""
    return after.correct * before.total - before.correct * after.total


FUNCTIONS: dict[str, RewardFunction] = {
    "proportional": proportional,
    "flat": flat,
    "error-reduction": error_reduction,
}
