"""Reward functions: Eq. 1 of the paper and two others, in exact integers."""

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.driven import Driven
from tests.helpers.peers import own_plugin, reward_view

from learnae.plugins import BUILT_IN, Kind
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.reward import adapted, error_reduction, flat, proportional, reward_function
from learnae.protocol.settings import RewardSettings
from learnae.protocol.types import ETHER, Score, Wei, wei

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
        PluginFailed(function, 1, "returned -1: return an int from 0 to 2^256 - 1, of wei"),
        PluginFailed(function, 2, "ZeroDivisionError: integer division or modulo by zero"),
    ]
    assert [debt.wei for debt in driven.debts.values()] == [0, 0, 1]


ADAPTS = RewardSettings(factor=Decimal(1), adapt=Decimal("0.2"), target=Decimal("0.25"), highest=Decimal(2))


def test_a_factor_is_constant_unless_the_session_says_otherwise() -> None:
    assert {adapted(Wei(7), adopted, RewardSettings()) for adopted in (True, False)} == {7}


def test_a_payer_pays_more_while_attempts_fail_and_less_after_each_that_succeeds() -> None:
    assert adapted(wei(Decimal(1)), False, ADAPTS) == wei(Decimal("1.05"))
    assert adapted(wei(Decimal(1)), True, ADAPTS) == wei(Decimal("0.85"))


def test_a_factor_stays_within_its_bounds() -> None:
    most = least = ADAPTS.factor_wei
    for _ in range(20):
        most, least = adapted(most, False, ADAPTS), adapted(least, True, ADAPTS)
    assert (most, least) == (2 * ADAPTS.factor_wei, ADAPTS.factor_wei // 4)


def test_an_average_is_paid_with_the_factor_before_its_own_attempt() -> None:
    driven = Driven(
        slices_planned=0, expected_identities=0, factor=Decimal(1), adapt=Decimal("0.2"), patience=9
    ).loaded()
    driven.attempted("bob", 50).attempted("ann", 60).attempted("cat", 70)
    assert [debt.wei for debt in driven.debts.values()] == [wei(Decimal("0.103")), wei(Decimal("0.08549"))]
