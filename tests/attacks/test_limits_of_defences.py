"""What reciprocity and profiles do not stop, and what they cost those who did nothing wrong: in small sessions."""

from itertools import pairwise
from typing import Any

import pytest
from tests.helpers.swarms import Run, run, small

from learnae.analysis.money import accounts, flows_by_peer, left_in_pool
from learnae.protocol.decisions import DebtChanged, DebtState, StandingChanged
from learnae.protocol.types import ETHER

RECIPROCITY: dict[str, Any] = {"defence": {"kind": "reciprocity", "scope": "all", "limit": 1, "grace": 4.0}}
PROFILES: dict[str, Any] = {"defence": {"kind": "profiles"}}
FEE = ETHER // 100
NO_ROWS = {"has_rows": False}
ATTACKS: list[dict[str, Any]] = [
    {"policy": "sleeper", "forgery": "perturbed"},
    {"policy": "under-reporter"},
    {"policy": "copycat", "forgery": "mean"} | NO_ROWS,
    {"policy": "sybil", "leader": "p02"} | NO_ROWS,
]


def name(attack: dict[str, Any]) -> str:
    return str(attack["policy"])


def ended(*members: dict[str, Any], **changes: Any) -> Run:
    session = run(small(*members, **changes))
    assert session.failing == []
    return session


def income(session: Run) -> list[float]:
    return [peer.received_ether for peer in accounts(session.history)]


def denied(session: Run) -> set[str]:
    return {fact.creator for _, fact in session.history.facts(StandingChanged) if fact.denied}


@pytest.mark.parametrize("attack", ATTACKS, ids=name)
def test_reciprocity_denies_nothing_to_attackers_that_owe_nothing_or_too_little(attack: dict[str, Any]) -> None:
    defended = ended({"count": 2} | attack, {}, **RECIPROCITY)
    assert not denied(defended)
    assert income(defended) == income(ended({"count": 2} | attack, {}))


def test_reciprocity_does_not_see_who_adopts_and_publishes_nothing() -> None:
    session = ended({"count": 1, "computes": False, "policy": "refuses-to-pay"}, {}, **RECIPROCITY)
    provider = accounts(session.history)[0]
    assert not denied(session) and provider.sent == 0
    assert any(attempt.adopted for attempt in session.attempts("p00")), "it has the models that it does not pay for"


def test_reciprocity_denies_nothing_to_honest_peers_after_the_chain_was_away() -> None:
    """A grace that began while it did not answer would end here before the payments that waited are mined."""
    outage = {"kind": "chain-stop", "at": 6, "duration": 12}
    session = ended(
        faults=[outage],
        defence=RECIPROCITY["defence"] | {"limit": 0},
        pace={"slice": 1.0, "attempt": 0.5},
        work={"slices": 9, "patience": 9},
    )
    assert any(6 < record.t < 18 for record, fact in session.history.facts(DebtChanged) if fact.state is DebtState.OWED)
    assert not denied(session)


@pytest.mark.parametrize("attack", [{"policy": "refuses-to-pay"}, *ATTACKS], ids=name)
def test_with_profiles_each_identity_of_an_attacker_pays_the_whole_fee(attack: dict[str, Any]) -> None:
    """So two sybils cost two fees, and what all members gain and lose adds up to nothing, but for a wei each."""
    session = ended({"count": 2} | attack, {}, **PROFILES)
    sent, _ = flows_by_peer(session.history)
    left = left_in_pool(session.history)
    assert [sum(flow.wei for flow in sent[peer]) + left[peer] for peer in sent] == [FEE] * 6
    assert sum(left.values()) <= 6


@pytest.mark.parametrize(("defence", "pays"), [({}, True), (PROFILES, False)], ids=["none", "profiles"])
def test_one_more_refuser_gains_all_that_it_would_pay_without_a_defence_and_nothing_with_profiles(
    defence: dict[str, Any], pays: bool
) -> None:
    """At each share of refusers: so there is none at which refusing stops paying, or none at which it pays."""
    sessions = [
        accounts(ended({"policy": "refuses-to-pay", "count": count}, {}, **defence).history) for count in range(1, 6)
    ]
    sessions = [accounts(ended(**defence).history), *sessions]
    for last, (fewer, more) in enumerate(pairwise(sessions)):
        gain = more[last].net_ether - fewer[last].net_ether
        assert gain == pytest.approx(fewer[last].sent_ether if pays else 0.0, abs=1e-15)
    assert any(peer.sent_ether for peer in sessions[0])
