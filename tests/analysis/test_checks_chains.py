"""A chain that was replaced by another in mid-session: what the checks hold, where only the last can be looked at."""

from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.histories import ANN_PAYS, GOOD, PAY_GAS, WALLET, amended, caught, fact_is, followed_by, on_chain

from learnae.analysis.checks.chain import NOTICED_WITHIN
from learnae.protocol.decisions import ChainEntered, DebtChanged, DebtState, RolledBack, WorkChanged, WorkState
from learnae.protocol.types import TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord
from learnae.records.history import (
    SWARM,
    Effect,
    Fact,
    FaultBegan,
    FaultEnded,
    History,
    PeerCrashed,
    PeerRestarted,
    Record,
    SessionBegan,
)
from learnae.session.faults import FaultKind

ANN_BEGAN = fact_is("ann", WorkChanged, work=WorkState.IDLE)
ANN_FINAL = fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL)
ANN_DECLINED = fact_is("ann", DebtChanged, debt=0, state=DebtState.DECLINED)


def on_two_chains(*facts: DebtChanged) -> History:
    """ann pays bob on a chain that is then replaced by the exported one; what becomes of that debt there."""
    history = followed_by(ANN_BEGAN, ChainEntered("0xold"))
    later: tuple[Fact, ...] = (ChainEntered("0xg"), *facts)
    for fact in reversed(later):
        history = followed_by(ANN_FINAL, fact, history)
    return history


def unpaid(history: History) -> History:
    """The exported chain without ann's payment, and without its gas."""
    spent = ANN_PAYS.wei + PAY_GAS

    def change(record: ChainRecord) -> ChainRecord:
        if isinstance(record, Balances):
            held = record.balances
            return replace(
                record,
                balances=held
                | {
                    WALLET["ann"]: Wei(held[WALLET["ann"]] + spent),
                    WALLET["bob"]: Wei(held[WALLET["bob"]] - ANN_PAYS.wei),
                },
            )
        return replace(record, transactions=()) if isinstance(record, Block) and record.number == 2 else record

    return on_chain(change, history)


def test_what_was_final_on_a_chain_that_was_replaced_is_not_looked_for_on_the_next() -> None:
    assert caught(unpaid(on_two_chains())) == {}


def test_what_was_final_on_a_chain_that_was_replaced_is_not_paid_on_the_next() -> None:
    assert "is final on another chain, but was paid" in caught(on_two_chains())["debts_paid_once"]


def test_a_debt_signed_on_two_chains_is_invalid() -> None:
    again = replace(ANN_PAYS, state=DebtState.SIGNED, nonce=2)
    found = caught(unpaid(on_two_chains(again, replace(again, state=DebtState.DECLINED))))
    assert found.keys() == {"debts_signed_on_one_chain", "payee_has_earliest_claim"}, (
        "no claim was heard on the second chain"
    )
    assert "debt 0 of ann was signed on 2 chains" in found["debts_signed_on_one_chain"]


def test_what_was_given_up_with_its_chain_may_be_on_that_chain() -> None:
    given_up = amended(ANN_FINAL, state=DebtState.DECLINED)
    assert caught(given_up).keys() == {"debts_paid_once"}
    here = followed_by(ANN_BEGAN, ChainEntered("0xg"), given_up)
    assert caught(here).keys() == {"debts_paid_once"}
    assert caught(followed_by(ANN_DECLINED, ChainEntered("0xnew"), here)) == {}


def lost(*later: tuple[str, Fact]) -> History:
    """ann's payment was final, and the chain has it no longer.  ``later``: what happened in between."""
    told = (Record(GOOD.seconds, peer, fact) for peer, fact in later)
    return unpaid(replace(GOOD, records=(*GOOD.records, *told)))


LOST = "debt 0 of ann is final, but its transaction 0xann1 is not on the chain"
UNDONE = ("bob", RolledBack(1, 2))
KILLED, BACK = ("ann", PeerCrashed()), ("ann", PeerRestarted())
BOB_RETURNS = ("bob", PeerCrashed()), ("bob", PeerRestarted()), UNDONE
CHAIN_KILLED, CHAIN_PAUSED, CHAIN_STOPPED = (
    (SWARM, FaultBegan(0, kind, (), ())) for kind in (FaultKind.CHAIN_KILL, FaultKind.CHAIN_PAUSE, FaultKind.CHAIN_STOP)
)
CUT = (SWARM, FaultBegan(0, FaultKind.CUT, (), ()))


@pytest.mark.parametrize(
    "later",
    [
        (KILLED, UNDONE),
        (KILLED, CUT, UNDONE),
        (KILLED, *BOB_RETURNS, UNDONE),
        (KILLED, CHAIN_KILLED, *BOB_RETURNS),
        (KILLED, CHAIN_PAUSED, UNDONE, UNDONE),
        (CHAIN_STOPPED, CHAIN_KILLED, KILLED, UNDONE),
        (KILLED, CHAIN_PAUSED, CHAIN_KILLED),
    ],
)
def test_a_peer_that_stayed_down_when_the_chain_rolled_back_cannot_pay_again(later: tuple[Any, ...]) -> None:
    assert "debts_paid_once" not in caught(lost(*later))


@pytest.mark.parametrize(
    "later",
    [
        (),
        (KILLED,),
        (UNDONE,),
        (UNDONE, KILLED),
        (KILLED, UNDONE, BACK),
        (KILLED, *BOB_RETURNS),
        (KILLED, CHAIN_PAUSED, UNDONE),
        (KILLED, CHAIN_STOPPED, UNDONE, ("cat", RolledBack(1, 0))),
        (CHAIN_PAUSED, KILLED, UNDONE),
    ],
)
def test_a_peer_that_is_up_or_whose_chain_lost_nothing_since_pays_what_is_final(later: tuple[Any, ...]) -> None:
    assert LOST in caught(lost(*later))["debts_paid_once"]


@pytest.mark.parametrize(
    ("after", "others", "excused"),
    [
        (NOTICED_WITHIN - 1, (), False),  # bob only reports that it could not read the chain
        (NOTICED_WITHIN + 1, (), True),
        (NOTICED_WITHIN + 1, (FaultBegan(1, FaultKind.CHAIN_STOP, (), ()),), False),
        (NOTICED_WITHIN + 1, (FaultBegan(1, FaultKind.CHAIN_STOP, (), ()), FaultEnded(1, Effect.APPLIED)), True),
    ],
)
def test_a_rollback_long_after_the_last_pause_of_the_chain_is_a_real_one(
    after: float, others: tuple[Fact, ...], excused: bool
) -> None:
    faults = FaultBegan(0, FaultKind.CHAIN_PAUSE, (), ()), *others[:1], FaultEnded(0, Effect.APPLIED), *others[1:]
    told = [*((SWARM, fact) for fact in faults), KILLED]
    later = [Record(GOOD.seconds, *each) for each in told] + [Record(GOOD.seconds + after, *UNDONE)]
    found = caught(unpaid(replace(GOOD, records=(*GOOD.records, *later))))
    assert ("debts_paid_once" not in found) is excused


def test_peers_that_poll_the_chain_rarely_notice_its_return_later() -> None:
    """Within some of their polls, they only report that they could not read the chain."""
    began = GOOD.records[0].fact
    assert isinstance(began, SessionBegan)
    rarely = replace(began, session=replace(began.session, chain=replace(began.session.chain, poll=100.0)))
    told: list[tuple[str, Fact]] = [CHAIN_PAUSED, (SWARM, FaultEnded(0, Effect.APPLIED)), KILLED]
    paused = [*(Record(GOOD.seconds, *each) for each in told), Record(GOOD.seconds + 150, *UNDONE)]
    for first, excused in ((GOOD.records[0], True), (replace(GOOD.records[0], fact=rarely), False)):
        found = caught(unpaid(replace(GOOD, records=(first, *GOOD.records[1:], *paused))))
        assert ("debts_paid_once" not in found) is excused


def test_a_peer_that_stayed_down_pays_nothing_by_another_transaction() -> None:
    other = amended(ANN_FINAL, history=replace(lost(KILLED, UNDONE), chain=GOOD.chain), tx=TxHash("0xelse"))
    assert "its transaction 0xelse is not on the chain" in caught(other)["debts_paid_once"]
