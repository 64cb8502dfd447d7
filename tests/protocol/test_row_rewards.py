"""The price of rows: who is owed how much when rows of others lead to an improvement."""

from decimal import Decimal

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import model, score
from tests.protocol.test_row_blocks import answers, block, hears, open_peer, profiteer, publish

from learnae.protocol import actions as do
from learnae.protocol.decisions import DebtChanged, DebtState, Trained
from learnae.protocol.policies import Policy
from learnae.protocol.reward import view_of
from learnae.protocol.row_rewards import price_of_rows
from learnae.protocol.types import ETHER, Cid, PeerId, Score, Wei

PRICE = Decimal("0.3")
PER_POINT = 3 * ETHER // 1000  # wei per percentage point


def trains_on(driven: Driven, creator: str, correct: int) -> None:
    """A block arrives, and the slice that is trained on it has this score."""
    hears(driven, block(creator))
    answers(driven, block(creator).cid)
    assert driven.asked(do.TrainSlice).rows == block(creator)
    driven.scored(do.TrainSlice, f"trained on {creator}", score(correct))


def owed(driven: Driven) -> list[tuple[str, str, int, int]]:
    """Creator, block, wei and shares of each debt."""
    debts = driven.debts.values()
    return [(debt.creator, debt.cid, debt.wei, debt.shares) for debt in debts if debt.shares]


def test_an_improvement_by_training_on_a_block_is_owed_to_its_creator() -> None:
    driven = profiteer(data=PRICE)
    trains_on(driven, "ann", 60)
    assert owed(driven) == [("ann", "rows ann 1", 10 * PER_POINT, 1)]
    [debt] = driven.debts.values()
    assert (debt.before, debt.after, debt.state) == (score(50), score(60), DebtState.OWED)


def test_blocks_that_brought_no_improvement_share_the_next_one() -> None:
    driven = profiteer(data=PRICE)
    trains_on(driven, "ann", 45)
    assert owed(driven) == []
    trains_on(driven, "bob", 57)
    assert owed(driven) == [(name, f"rows {name} 1", 7 * PER_POINT // 2, 2) for name in ("ann", "bob")]
    assert all((debt.before, debt.after) == (score(50), score(57)) for debt in driven.debts.values())


def test_an_adopted_average_counts_as_an_improvement_too_and_its_creator_is_paid_as_well() -> None:
    driven = profiteer(data=PRICE)
    trains_on(driven, "ann", 40)
    driven.attempted("cat", 49)  # better than the last model, not than the best
    assert owed(driven) == [] and len(driven.debts) == 1
    driven.attempted("cat", 52, 2)
    assert owed(driven) == [("ann", "rows ann 1", 2 * PER_POINT, 1)]
    assert [debt.cid for debt in driven.debts.values() if not debt.shares] == ["cat-1", "cat-2"]


def test_accuracy_that_was_lost_and_regained_is_not_paid_for() -> None:
    driven = profiteer(data=PRICE)
    for creator, correct in (("ann", 60), ("bob", 52), ("cat", 60)):
        trains_on(driven, creator, correct)
    assert owed(driven) == [("ann", "rows ann 1", 10 * PER_POINT, 1)]


def test_own_rows_and_blocks_whose_training_failed_are_not_paid_for() -> None:
    trainer = open_peer(data=PRICE, slices_planned=2)
    publish(trainer, 1)
    trainer.loaded()
    publish(trainer, 2)
    trainer.scored(do.TrainSlice, "own", score(60))
    assert trainer.facts(Trained) and trainer.debts == {}
    driven = profiteer(data=PRICE)
    hears(driven, block("ann"))
    answers(driven, block("ann").cid)
    driven.fails(do.TrainSlice)
    trains_on(driven, "bob", 60)
    assert owed(driven) == [("bob", "rows bob 1", 10 * PER_POINT, 1)]


@pytest.mark.parametrize("price", [Decimal(0), Decimal("0.3")])
def test_rows_are_free_unless_they_have_a_price(price: Decimal) -> None:
    driven = profiteer(data=price)
    trains_on(driven, "ann", 60)
    assert bool(driven.debts) is bool(price)


def test_a_creator_is_paid_for_rows_like_one_of_a_model_once_its_wallet_is_known() -> None:
    driven = profiteer(data=PRICE, wants_payment=True)
    trains_on(driven, "ann", 60)
    driven.registered()
    driven.meets("ann")
    request = driven.asked(do.SignPayment)
    assert (request.to, request.wei, request.cids) == ("0xann", 10 * PER_POINT, ("rows ann 1",))


def test_who_refuses_to_pay_does_not_pay_for_rows_either() -> None:
    driven = profiteer(data=PRICE, policy=Policy.REFUSES_TO_PAY)
    trains_on(driven, "ann", 60)
    [debt] = driven.debts.values()
    assert (debt.state, debt.reason) == (DebtState.DECLINED, "policy")


def test_a_share_is_rounded_down_once() -> None:
    before, after = Score(1, 3), Score(5, 7)
    assert price_of_rows(Wei(1000), before, after, 3) == 1000 * 8 // 63
    assert 3 * price_of_rows(Wei(1000), before, after, 3) <= price_of_rows(Wei(1000), before, after, 1)


def test_debts_for_rows_count_towards_the_cap_and_are_no_adoptions_to_a_reward_function() -> None:
    rows = DebtChanged(0, PeerId("ann"), Cid("rows"), score(50), score(60), Wei(30), DebtState.OWED, shares=1)
    average = DebtChanged(1, PeerId("ann"), model("ann").weights.cid, score(50), score(60), Wei(20), DebtState.OWED)
    view = view_of([rows, average], PeerId("ann"), score(60), score(61), 9, Wei(5), Wei(100))
    assert (view.adoptions, view.creators, view.from_creator, view.owed_to_creator) == (1, 1, 1, 20)
    assert view.left == 50
