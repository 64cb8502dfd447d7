"""Peers that refuse to pay, without a defence and with each: bounds over seeds, in sessions of real models."""

from collections.abc import Mapping
from functools import cache
from statistics import fmean
from typing import Any

import pytest
from tests.helpers.swarms import Run, groups, run

from learnae.analysis.fee_pool import Replayed, pool_calls
from learnae.analysis.money import accounts
from learnae.protocol.decisions import StandingChanged
from learnae.protocol.types import ETHER, Address, Wei
from learnae.records.history import History
from learnae.runtime.torch_learning import TorchLearning

pytestmark = pytest.mark.slow

REFUSING = 4
SEEDS = (1, 2)
FEE = Wei(ETHER // 100)
NONE: dict[str, Any] = {"kind": "none"}
ALL: dict[str, Any] = {"kind": "reciprocity", "scope": "all", "limit": 1, "grace": 4.0}
DEFENCES: dict[str, dict[str, Any]] = {"all": ALL, "profiles": {"kind": "profiles"}}


@cache
def ended(seed: int, defended: bool, policy: str = "refuses-to-pay", defence: str = "all") -> Run:
    rows = {"rows": 2000, "validation_rows": 500, "test_rows": 500}
    table = {"peers": 10, "seed": seed, "data": rows, "work": {"passes": 3}, "evaluation_peers": 0}
    table |= groups({"count": REFUSING, "policy": policy}, {}) | {"defence": DEFENCES[defence] if defended else NONE}
    session = run(table, journals=False, learning=lambda session: TorchLearning(session, threads=1))
    assert session.failing == []
    return session


def income(defended: bool, policy: str = "refuses-to-pay") -> float:
    """Mean ETH that a refuser receives."""
    sessions = [accounts(ended(seed, defended, policy).history)[:REFUSING] for seed in SEEDS]
    return fmean(account.received_ether for session in sessions for account in session)


def reported(history: History, name: str) -> Mapping[Address, int]:
    """The shares in a peer's report."""
    own = history.roster[name].wallet
    return next(call.shares for call in pool_calls(history) if call.kind == "report" and call.transaction.sender == own)


def test_without_a_defence_refusing_pays() -> None:
    for seed in SEEDS:
        peers = accounts(ended(seed, False).history)
        payoffs = [account.received_ether - account.sent_ether for account in peers]
        assert fmean(payoffs[:REFUSING]) > 0 > fmean(payoffs[REFUSING:])


def test_reciprocity_takes_at_least_a_tenth_of_a_refusers_income_and_punishes_nobody_else() -> None:
    assert income(defended=True) < 0.9 * income(defended=False)
    for seed in SEEDS:
        history = ended(seed, True).history
        honest = {history.roster[name].peer for name in history.honest}
        denied = {fact.creator for _, fact in history.facts(StandingChanged) if fact.denied}
        assert len(denied) == REFUSING and not denied & honest


def test_who_conceals_its_averages_is_not_seen() -> None:
    """What this defence does not stop: no peer is denied income, and refusing pays as without a defence."""
    history = ended(1, True, "conceals-averages").history
    assert not list(history.facts(StandingChanged))
    peers = accounts(history)
    payoffs = [account.received_ether - account.sent_ether for account in peers]
    assert fmean(payoffs[:REFUSING]) > 0 > fmean(payoffs[REFUSING:])


def test_with_profiles_a_refuser_pays_its_whole_fee_and_an_honest_peer_no_more() -> None:
    """What it keeps back goes to others all the same: nobody spends more or less than the fee, but for rounding."""
    for seed in SEEDS:
        history = ended(seed, True, defence="profiles").history
        assert all(reported(history, name) for name in history.honest)
        assert [account.sent_ether for account in accounts(history)] == pytest.approx([FEE / ETHER] * 10)


def test_with_profiles_refusing_changes_no_income_so_that_it_gains_nothing() -> None:
    """The income of a peer follows from the reports of others alone; see also tests/contracts/test_fee_pool.py."""
    for seed in SEEDS:
        history = ended(seed, True, defence="profiles").history
        calls = pool_calls(history)
        assert all(reported(history, name) for name in history.honest)
        pool = Replayed(FEE, 10, 10**6)
        pool.members = [call.transaction.sender for call in calls if call.kind == "deposit"]
        pool.rows = {call.transaction.sender: dict(call.shares) for call in calls if call.kind == "report"}
        refusers = [entry.wallet for entry in history.roster.values() if entry.name not in history.honest]
        assert len(refusers) == REFUSING and not any(pool.rows[refuser] for refuser in refusers)
        for refuser in refusers:
            refused = pool.income(refuser)
            pool.rows[refuser] = {member: 7_000 for member in pool.members if member != refuser}
            assert pool.income(refuser) == refused
