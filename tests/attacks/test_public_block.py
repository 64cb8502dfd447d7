"""A peer without rows that trains on the rows by which it judges, and sells the models.

Where all such peers judge by one public block, the others buy models that only look better.  So each of them has a
block of its own.  The numbers at the size of the session ``profiteers`` are in docs/explanation/security.md.
"""

from functools import cache

import pytest
from tests.helpers.judging_attack import JudgingAttack, Outcome
from tests.learn.small import table

pytestmark = pytest.mark.slow

SMALL = {
    "data": {"rows": 1000, "validation_rows": 200, "judging_rows": 200, "test_rows": 2000},
    "model": {"hidden": [16], "batch": 20},
    "work": {"slices": 4},
}
ATTACK = JudgingAttack(SMALL, trainers=6, buyers=2, table=table(6 * 1200 + 3 * 200 + 2000))
SEEDS = range(1, 9)
HALF_A_POINT = 0.005


@cache
def usual() -> Outcome:
    return ATTACK.outcome(SEEDS, repeats=0)


def test_on_one_block_for_all_the_attack_succeeds() -> None:
    """Or else the other tests would show nothing."""
    attacked = ATTACK.outcome(SEEDS, repeats=10, one_block=True)
    assert attacked.income > 3 * usual().income
    assert attacked.buyers_accuracy < usual().buyers_accuracy - 3 * HALF_A_POINT


def test_with_blocks_of_their_own_the_attacker_earns_no_more_than_a_trainer() -> None:
    attacked = ATTACK.outcome(SEEDS, repeats=10)
    assert attacked.income <= attacked.trainers_income
    assert attacked.buyers_accuracy > usual().buyers_accuracy - HALF_A_POINT


def test_a_peer_that_makes_good_use_of_its_judging_rows_earns_at_most_half_more_than_a_trainer() -> None:
    """It has become a trainer with few rows: what it sells is worth the price."""
    attacked = ATTACK.outcome(SEEDS, repeats=1)
    assert attacked.income <= 1.5 * attacked.trainers_income
    assert attacked.buyers_accuracy > usual().buyers_accuracy - HALF_A_POINT
