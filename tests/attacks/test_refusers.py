"""Peers that refuse to pay, with reciprocity and without: bounds over seeds, in sessions of real models."""

from functools import cache
from statistics import fmean
from typing import Any

import pytest
from tests.helpers.swarms import Run, groups, run

from learnae.analysis.money import accounts
from learnae.protocol.decisions import StandingChanged
from learnae.runtime.torch_learning import TorchLearning

pytestmark = pytest.mark.slow

REFUSING = 4
SEEDS = (1, 2)
NONE: dict[str, Any] = {"kind": "none"}
ALL: dict[str, Any] = {"kind": "reciprocity", "scope": "all", "limit": 1, "grace": 4.0}


@cache
def ended(seed: int, defended: bool, policy: str = "refuses-to-pay") -> Run:
    rows = {"rows": 2000, "validation_rows": 500, "test_rows": 500}
    table = {"peers": 10, "seed": seed, "data": rows, "work": {"passes": 3}, "evaluation_peers": 0}
    table |= groups({"count": REFUSING, "policy": policy}, {}) | {"defence": ALL if defended else NONE}
    session = run(table, journals=False, learning=lambda session: TorchLearning(session, threads=1))
    assert session.failing == []
    return session


def income(defended: bool, policy: str = "refuses-to-pay") -> float:
    """Mean ETH that a refuser receives."""
    sessions = [accounts(ended(seed, defended, policy).history)[:REFUSING] for seed in SEEDS]
    return fmean(account.received_ether for session in sessions for account in session)


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
