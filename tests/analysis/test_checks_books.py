"""Peers whose work has a cost: what their books say follows from chain and history, and the absent do no work."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.helpers.histories import (
    BOB_PAYS,
    GOOD,
    LEDGER,
    SETTINGS,
    WALLET,
    caught,
    judged,
    mined_too,
    paid,
    transaction,
)

from learnae.errors import Reason
from learnae.protocol.decisions import (
    BooksClosed,
    BooksFailed,
    ChainEntered,
    Decision,
    IdentityChanged,
    IdentityState,
    RolledBack,
    Verdict,
    WorkChanged,
    WorkState,
)
from learnae.protocol.settings import MarketSettings
from learnae.protocol.types import TxHash, Wei
from learnae.records.history import History, Record, SessionBegan
from learnae.session.faults import Fault, FaultKind
from learnae.session.settings import Group

TRAINS, AVERAGES, IDLE = map(WorkChanged, (WorkState.TRAINING, WorkState.MERGING, WorkState.IDLE))
REGISTERED = IdentityChanged(IdentityState.REGISTERED, None, None)
BOB = judged("bob", "bob", "bob", Verdict.WINNER, (1001, 1, 1))
# The chain has 2.75 mETH of ann's for a model of bob's in block 2, and 1.65 mETH of bob's for one of ann's in block 4.
LEAVES = BooksClosed(1, 1, 1, 0, Wei(0), False)
RETURNS = BooksClosed(0, 2, 3, 1, Wei(2_750_000_000_000_000), True)
STAYS = BooksClosed(1, 4, 5, 1, Wei(1_650_000_000_000_000), True)
STORY = (REGISTERED, ChainEntered("0xg"), BOB, TRAINS, IDLE, LEAVES, RETURNS, AVERAGES, IDLE, STAYS)


def told(*story: Decision, cost: str = "0.001", margin: str = "1", faults: tuple[Fault, ...] = ()) -> History:
    """What ann decides, in a session in which a unit of work costs this many ETH."""
    began = GOOD.records[0].fact
    assert isinstance(began, SessionBegan)
    market = MarketSettings(window=1, margin=Decimal(margin))
    session = replace(SETTINGS, groups=(Group(unit_cost=Decimal(cost)),), market=market, faults=faults)
    records = [Record(0.0, "swarm", replace(began, session=session))]
    return History((*records, *(Record(1.0, "ann", fact) for fact in story)), tuple(LEDGER))


def reasons(history: History) -> str:
    found = caught(history)
    return found.get("books_follow_payments", "") + found.get("absent_peers_do_not_work", "")


def changed(fact: Decision, by: Decision, story: Sequence[Decision] = STORY) -> tuple[Decision, ...]:
    assert fact in story
    return tuple(by if each == fact else each for each in story)


def test_books_that_follow_the_chain_are_valid() -> None:
    assert not reasons(told(*STORY))


def test_a_peer_without_a_cost_keeps_no_books() -> None:
    assert "ann closed its books, though its work has no cost" in reasons(told(*STORY, cost="0"))


@pytest.mark.parametrize(
    ("fact", "by", "reason"),
    [
        (LEAVES, replace(LEAVES, wei=Wei(1)), "ann counted 1 wei for 0 models, but the chain has (0, 0)"),
        (RETURNS, replace(RETURNS, models=2), "ann counted 2750000000000000 wei for 2 models"),
        (RETURNS, replace(RETURNS, since=1), "ann closed books of the blocks 1 to 3 after those to 2"),
        (STAYS, replace(STAYS, until=2), "ann closed books of the blocks 4 to 2"),
        (LEAVES, replace(LEAVES, units=2), "ann closed books of 2 units, but began 1"),
        (RETURNS, replace(RETURNS, models=0, wei=Wei(0)), "ann closed its books after 0 units and 0 models"),
        (LEAVES, replace(LEAVES, works=True), "ann works for 0 wei in block 1"),
        (RETURNS, replace(RETURNS, works=False), "ann does not work for 2750000000000000 wei in block 3"),
        (IDLE, TRAINS, "ann closed books of 1 units, but began 2"),
    ],
)
def test_books_that_do_not_follow_the_chain_are_invalid(fact: Decision, by: Decision, reason: str) -> None:
    assert reason in reasons(told(*changed(fact, by)))


def test_a_cost_below_one_wei_is_none() -> None:
    assert not reasons(told(REGISTERED, *3 * (TRAINS, IDLE), cost="1e-19"))


def test_the_margin_counts() -> None:
    assert not reasons(told(*STORY, margin="2.75"))
    assert "ann works for 2750000000000000 wei" in reasons(told(*STORY, margin="2.76"))


def test_payments_to_the_payer_itself_or_to_unknown_wallets_do_not_count() -> None:
    assert "but the chain has (0, 0)" in reasons(told(*(fact for fact in STORY if fact != BOB)))
    to_itself = transaction("0xbob2", told(*STORY), sender=WALLET["ann"])
    assert "but the chain has (0, 0)" in reasons(to_itself)


@pytest.mark.parametrize("data", [b"", b"hello"])
def test_a_transfer_that_is_for_no_model_does_not_count(data: bytes) -> None:
    gift = replace(paid("bob", BOB_PAYS, data), wei=Wei(1), hash=TxHash("0xgift"))
    assert not reasons(mined_too(4, gift, history=told(*STORY)))


def test_who_has_left_begins_no_unit_of_work() -> None:
    assert "ann began a unit of work, though it had left" in reasons(told(*changed(RETURNS, IDLE)))


def test_who_works_closes_its_books_in_time_unless_faults_may_keep_it_from_that() -> None:
    late = (REGISTERED, TRAINS, IDLE, TRAINS, IDLE, TRAINS)
    assert "ann worked 2 units and did not close its books" in reasons(told(*late))
    assert not reasons(told(*late[1:])), "it has no contract"
    assert "ann worked 3 units" in reasons(told(*late[1:], REGISTERED, AVERAGES))
    no_answer = BooksFailed(Reason.TIMEOUT)
    assert not reasons(told(*late[:4], no_answer, *late[4:])), "the chain does not answer"
    assert "ann worked 2 units" in reasons(told(no_answer, *changed(RETURNS, IDLE)[:6], RETURNS, *late)), "it did"
    outage = Fault(FaultKind.CHAIN_KILL, at=1.0, duration=1.0)
    assert not reasons(told(*late, faults=(outage,)))


def test_what_a_rollback_or_another_chain_took_back_is_not_looked_up() -> None:
    wrong = replace(LEAVES, models=9)
    assert "ann counted" in reasons(told(*changed(LEAVES, wrong)))
    assert "ann counted" in reasons(told(RolledBack(1, 0), *changed(LEAVES, wrong)))
    for loss in (RolledBack(4, 0), ChainEntered("0xother")):
        left = (REGISTERED, ChainEntered("0xg"), TRAINS, IDLE, wrong, loss)
        assert "ann counted" not in reasons(told(*left))
        assert not reasons(told(*left[:-2], loss, TRAINS, IDLE, replace(LEAVES, since=5, until=5)))
