"""Reward functions: Eq. 1 of the paper and two others, in exact integers."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.protocol.reward import FUNCTIONS, error_reduction, flat, proportional
from learnae.protocol.types import ETHER, Score, Wei

FACTOR = Wei(55 * ETHER // 1000)
totals = st.integers(1, 10**6)
scores = totals.flatmap(lambda total: st.builds(Score, st.integers(0, total), st.just(total)))
gains = st.tuples(scores, scores).filter(lambda pair: pair[1].beats(pair[0]))


def test_equation_1_pays_the_factor_times_the_gain() -> None:
    assert proportional(Score(700, 1000), Score(750, 1000), FACTOR) == Wei(2_750_000_000_000_000)


@given(gains, st.integers(0, 10**20).map(Wei))
def test_equation_1_is_exact_but_for_one_rounding_down(pair: tuple[Score, Score], factor: Wei) -> None:
    before, after = pair
    exact = factor * (Fraction(after.correct, after.total) - Fraction(before.correct, before.total))
    assert proportional(before, after, factor) == floor(exact)


def test_a_flat_reward_is_the_same_for_every_success() -> None:
    assert flat(Score(1, 10), Score(2, 10), FACTOR) == flat(Score(8, 10), Score(10, 10), FACTOR) == FACTOR


def test_error_reduction_pays_the_share_of_the_remaining_error() -> None:
    assert error_reduction(Score(50, 100), Score(75, 100), FACTOR) == FACTOR // 2
    assert error_reduction(Score(98, 100), Score(99, 100), FACTOR) == FACTOR // 2


@pytest.mark.parametrize("name", FUNCTIONS)
@given(pair=gains)
def test_no_success_costs_less_than_nothing_or_more_than_the_factor(name: str, pair: tuple[Score, Score]) -> None:
    assert 0 <= FUNCTIONS[name](*pair, FACTOR) <= FACTOR
