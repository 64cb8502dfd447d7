"""Reward functions: Eq. 1 of the paper and two others, in exact integers."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.driven import Driven
from tests.helpers.peers import own_plugin, reward_view

from learnae.plugins import BUILT_IN, Kind
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.reward import error_reduction, flat, proportional, reward_function
from learnae.protocol.types import ETHER, Score, Wei

FACTOR = Wei(55 * ETHER // 1000)
totals = st.integers(1, 10**6)
scores = totals.flatmap(lambda total: st.builds(Score, st.integers(0, total), st.just(total)))
gains = st.tuples(scores, scores).filter(lambda pair: pair[1].beats(pair[0]))


def test_equation_1_pays_the_factor_times_the_gain() -> None:
    assert proportional(reward_view(Score(700, 1000), Score(750, 1000), FACTOR)) == 2_750_000_000_000_000


@given(gains, st.integers(0, 10**20).map(Wei))
def test_equation_1_is_exact_but_for_one_rounding_down(pair: tuple[Score, Score], factor: Wei) -> None:
    before, after = pair
    exact = factor * (Fraction(after.correct, after.total) - Fraction(before.correct, before.total))
    assert proportional(reward_view(before, after, factor)) == floor(exact)


def test_a_flat_reward_is_the_same_for_every_success() -> None:
    assert (
        flat(reward_view(Score(1, 10), Score(2, 10), FACTOR))
        == flat(reward_view(Score(8, 10), Score(10, 10), FACTOR))
        == FACTOR
    )


def test_error_reduction_pays_the_share_of_the_remaining_error() -> None:
    assert error_reduction(reward_view(Score(50, 100), Score(75, 100), FACTOR)) == FACTOR // 2
    assert error_reduction(reward_view(Score(98, 100), Score(99, 100), FACTOR)) == FACTOR // 2


@pytest.mark.parametrize("name", BUILT_IN[Kind.REWARDS])
@given(pair=gains)
def test_no_success_costs_less_than_nothing_or_more_than_the_factor(name: str, pair: tuple[Score, Score]) -> None:
    assert 0 <= reward_function(name)(reward_view(*pair, FACTOR)) <= FACTOR


def test_a_reward_that_raises_is_told_and_the_peer_goes_on() -> None:
    function = own_plugin("def reward(view):\n    return 1 // (view.adoptions - 1)", "reward")
    driven = Driven(wants_payment=False, slices_planned=0, expected_identities=0, function=function).loaded()
    for number, creator in enumerate(["bob", "ann", "eve"]):
        driven.attempted(creator, 51 + number)
    assert driven.facts(PluginFailed) == [
        PluginFailed(function, 1, "it did not return an integer of wei from 0"),
        PluginFailed(function, 2, "ZeroDivisionError"),
    ]
    assert [debt.wei for debt in driven.debts.values()] == [0, 0, 1]
