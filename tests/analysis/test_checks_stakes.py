"""Stakes as the checks see them: what comes back, and whose models may be averaged with."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.analysis.test_checks_fee_pool import FEE, NAMES, POOL_CHECKS, ROSTER, WALLETS, Trading

from learnae.analysis.checks import CHECKS
from learnae.analysis.fee_pool import pool_calls
from learnae.analysis.money import left_in_pool, paid_out
from learnae.protocol.decisions import Averaged, ChainEntered, ClaimJudged, RolledBack, Verdict
from learnae.protocol.types import Address, Cid, Poid, Score, wei
from learnae.records.chain_export import Balances, Block
from learnae.records.history import Fact, History, PeerCrashed, Record

STAKE = Decimal("0.05")


@pytest.fixture(scope="module")
def session() -> Trading:
    return Trading(STAKE)


def averaged(history: History, peer: str, creator: str, contract: Address | None) -> str:
    """What the check finds if the peer averages with a model of the creator, and knows this contract of its."""
    entry, score = history.roster[creator], Score(1, 2)
    poid = Poid(entry.peer, entry.wallet)
    model = Averaged(entry.peer, Cid("b1"), score, score, True, Cid("b2"), 1)
    claims = [ClaimJudged(entry.peer, poid, contract, Verdict.WINNER, None, 1, 1, 0)] if contract else []
    records = [*(Record(9.0, peer, claim) for claim in claims), Record(9.0, peer, model)]
    return CHECKS["models_have_stakes"](replace(history, records=(*history.records, *records))).reason


def test_each_withdrawal_is_income_and_stake_and_nothing_of_it_is_left(session: Trading) -> None:
    history = session.history
    assert [CHECKS[name](history).reason for name in (*POOL_CHECKS, "wei_conserved", "models_have_stakes")] == [""] * 6
    withdrawals = [call for call in pool_calls(history) if call.kind == "withdrawal"]
    assert {call.stake for call in withdrawals} == {wei(STAKE)}
    assert 0 <= sum(call.paid for call in pool_calls(history)) - len(NAMES) * wei(STAKE) <= len(NAMES) * FEE
    assert max(left_in_pool(history).values()) <= len(NAMES), "roundings"


def test_a_stake_that_was_not_taken_is_left_in_the_pool(session: Trading) -> None:
    history = session.history
    own = [call.transaction.hash for call in pool_calls(history) if call.transaction.sender == WALLETS["p01"]][-1]
    chain = tuple(
        replace(each, transactions=tuple(tx for tx in each.transactions if tx.hash != own))
        if isinstance(each, Block)
        else each
        for each in history.chain
    )
    assert left_in_pool(replace(history, chain=chain))["p01"] >= wei(STAKE)


def test_an_identity_with_another_contract_or_none_has_no_stake(session: Trading) -> None:
    history, contracts = session.history, session.contracts
    assert averaged(history, "p00", "p01", contracts["p01"]) == ""
    for contract in (Address("0x" + "9" * 40), None):
        assert "p00 averaged with a model of 12D3p01, whose identity has no stake" in averaged(
            history, "p00", "p01", contract
        )


def test_only_members_are_held_to_it_and_only_if_there_is_a_stake(session: Trading) -> None:
    strangers = replace(session.history, chain=())
    assert averaged(strangers, "p00", "p01", None) == ""
    assert averaged(Trading().history, "p00", "p01", None) == ""


ENTERED, ROLLED_BACK = ChainEntered("0x1"), RolledBack(1, 0)


@pytest.mark.parametrize(
    ("facts", "held"),
    [
        ((("p00", ENTERED),), True),
        ((("p00", ENTERED), ("p00", ChainEntered("0x2"))), False),
        ((("p00", ROLLED_BACK),), False),
        ((("p02", ROLLED_BACK),), True),
        ((("p00", PeerCrashed()), ("p02", ROLLED_BACK)), False),
    ],
    ids=["one chain", "replaced", "rolled back", "another noticed", "another noticed while it was down"],
)
def test_a_member_may_rely_on_a_deposit_that_its_chain_lost(
    session: Trading, facts: tuple[tuple[str, Fact], ...], held: bool
) -> None:
    history = session.history
    moved = replace(history, records=(*history.records, *(Record(8.0, peer, fact) for peer, fact in facts)))
    assert bool(averaged(moved, "p00", "p01", None)) == held


def test_a_pay_out_wallet_is_listed_with_what_it_holds(session: Trading) -> None:
    cold, unpaid = Address("0x" + "cc" * 20), Address("0x" + "dd" * 20)
    began = session.history.began
    assert began
    roster = (replace(ROSTER[0], payout=cold), replace(ROSTER[1], payout=unpaid), *ROSTER[2:])
    records = (Record(0.0, "swarm", replace(began, roster=roster)), *session.history.records[1:])
    chain = (*session.history.chain[:-1], Balances(9, {cold: wei(Decimal(2))}))
    paid = paid_out(History(records, chain))
    assert paid == {"p00": (cold, wei(Decimal(2))), "p01": (unpaid, None)}
    assert paid_out(History(records))["p00"] == (cold, None)
    assert paid_out(session.history) == {}
