"""Debts for rows in a history: each is recomputed, and each breach is caught."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.helpers.histories import PEER, SETTINGS, amended, caught, fact_is, score

from learnae.analysis.checks import CHECKS
from learnae.protocol.decisions import DebtChanged, DebtState, Trained
from learnae.protocol.row_types import RowsFetched
from learnae.protocol.settings import RewardSettings
from learnae.protocol.types import ETHER, Cid, Wei
from learnae.records.history import Fact, History, SessionBegan

ROWS, MORE = Cid("rows of bob"), Cid("rows of dan")
FETCHED = RowsFetched(PEER["bob"], ROWS), RowsFetched(PEER["dan"], MORE)
WORSE, BETTER = Trained(1, 3, Cid("worse"), score(750), ROWS), Trained(1, 4, Cid("better"), score(800), MORE)
SHARE = Wei(ETHER * 40 // 1000 // 10 // 2)
FOR_ROWS = DebtChanged(2, PEER["bob"], ROWS, score(760), score(800), SHARE, DebtState.DECLINED, shares=2)
FOR_MORE = replace(FOR_ROWS, debt=3, creator=PEER["dan"], cid=MORE)


def priced(*facts: Fact, price: str = "0.1") -> History:
    """``ann``, whose best score is 760 of 1,000, goes on like this."""
    reward = RewardSettings(SETTINGS.reward.function, SETTINGS.reward.factor, SETTINGS.reward.cap, Decimal(price))
    settings = replace(SETTINGS, privacy=False, reward=reward)
    history = amended(fact_is("swarm", SessionBegan), session=settings)
    *records, last = history.records
    return replace(history, records=(*records, *(replace(last, peer="ann", fact=fact) for fact in facts), last))


def complaints(history: History) -> str:
    return caught(history).get("row_debts_are_exact", "")


def test_blocks_share_the_price_of_the_gain_over_the_best_score() -> None:
    assert complaints(priced(*FETCHED, WORSE, BETTER, FOR_ROWS, FOR_MORE)) == ""
    assert complaints(priced(*FETCHED, WORSE)) == ""


@pytest.mark.parametrize(
    ("debts", "sentence"),
    [
        (
            (FOR_ROWS,),
            f"ann does not owe {PEER['dan']} {SHARE} wei for rows {MORE}, which took it from 0.7600 to 0.8000",
        ),
        ((replace(FOR_ROWS, wei=Wei(SHARE + 1)), FOR_MORE), f"ann owes {PEER['bob']} {SHARE + 1} wei for rows {ROWS}"),
        ((FOR_ROWS, FOR_MORE, replace(FOR_MORE, debt=4)), "to 0.8000, which is not due"),
        ((replace(FOR_ROWS, creator=PEER["eve"]), FOR_MORE), f"ann owes {PEER['eve']} {SHARE} wei"),
        ((FOR_ROWS, replace(FOR_MORE, cid=Cid("never used"))), "wei for rows never used"),
        ((FOR_ROWS, replace(FOR_MORE, before=score(750))), "from 0.7500 to 0.8000, which is not due"),
    ],
)
def test_another_amount_creator_block_or_number_of_debts_is_caught(
    debts: tuple[DebtChanged, ...], sentence: str
) -> None:
    assert sentence in complaints(priced(*FETCHED, WORSE, BETTER, *debts))


def test_where_rows_are_free_nobody_owes_for_them() -> None:
    assert complaints(priced(*FETCHED, WORSE, BETTER, price="0")) == ""
    assert "which is not due" in complaints(priced(*FETCHED, WORSE, BETTER, FOR_ROWS, price="0"))


def test_debts_for_rows_are_not_taken_for_adoptions_nor_priced_like_them() -> None:
    found = caught(priced(*FETCHED, WORSE, BETTER, FOR_ROWS, FOR_MORE))
    assert found.keys().isdisjoint({"adoptions_create_debts", "amounts_follow_reward_function"})
    assert "row_debts_are_exact" in CHECKS
