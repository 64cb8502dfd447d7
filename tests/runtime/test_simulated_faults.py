"""Faults in the simulator: each has its effect, is healed, and breaks no invariant."""

import random
import re
from typing import Any

import pytest
from tests.helpers.swarms import Run, first, run

from learnae.errors import InputError
from learnae.protocol.decisions import Averaged, DebtState, Published, Trained
from learnae.records.history import Effect, FaultBegan, FaultEnded, FaultsPlanned, PeerCrashed, PeerRestarted
from learnae.session.faults import FaultKind
from learnae.session.session_file import parse

PACED: dict[str, Any] = {
    "peers": 6,
    "data": {"rows": 1000},
    "work": {"slices": 5, "patience": 8},
    "pace": {"slice": 3.0, "attempt": 1.0},
    "network": {"announce_every": 4.0},
}


def disturbed(*faults: dict[str, Any], **changes: Any) -> Run:
    return run(PACED | {"faults": list(faults)} | changes)


def windows(session: Run) -> dict[int, tuple[float, float]]:
    began = {fact.window: record.t for record, fact in session.history.facts(FaultBegan)}
    return {fact.window: (began[fact.window], record.t) for record, fact in session.history.facts(FaultEnded)}


def within(session: Run, kind: type, name: str, window: int = 0) -> list[float]:
    begin, end = windows(session)[window]
    return [record.t for record, _ in session.history.facts(kind) if record.peer == name and begin < record.t < end]


WITHOUT_SENSORS = [kind for kind in FaultKind if kind is not FaultKind.FEED_KILL and not kind.of_sensors]


@pytest.mark.parametrize("kind", WITHOUT_SENSORS)
def test_every_kind_of_fault_is_applied_and_leaves_the_session_valid(kind: FaultKind) -> None:
    extra = {"delay": 0.5} if kind is FaultKind.SLOW else {}
    session = disturbed({"kind": kind, "at": 5, "duration": 12, "targets": "minority", **extra})
    assert session.failing == []
    assert [fact.effect for _, fact in session.history.facts(FaultEnded)] == [Effect.APPLIED]
    assert all(debt[-1][1].state.terminal for debt in session.history.debts.values())


def test_a_plan_starts_when_all_peers_have_begun_to_work() -> None:
    session = disturbed({"kind": "isolate", "at": 5, "duration": 12})
    zero = first(session, "swarm", FaultsPlanned)
    assert windows(session) == {0: pytest.approx((zero + 5, zero + 17))}


def test_a_killed_peer_does_nothing_until_it_is_restarted() -> None:
    session = disturbed({"kind": "kill", "at": 5, "duration": 12, "targets": ["p02"]})
    assert within(session, Trained, "p02") == within(session, Averaged, "p02") == []
    assert within(session, Trained, "p03") and session.verdict["summary"]["peers_finished"] == 6
    assert [record.peer for record, _ in session.history.facts(PeerCrashed)] == ["p02"]
    assert [record.t for record, _ in session.history.facts(PeerRestarted)] == [windows(session)[0][1]]


def test_a_frozen_peer_does_nothing_and_forgets_nothing() -> None:
    session = disturbed({"kind": "pause", "at": 5, "duration": 12, "targets": ["p02"]})
    assert within(session, Trained, "p02") == within(session, Published, "p02") == []
    assert not list(session.history.facts(PeerCrashed)) and session.verdict["summary"]["peers_finished"] == 6


def test_a_session_waits_for_a_peer_that_will_be_back_but_not_for_faults_to_come() -> None:
    away = disturbed({"kind": "kill", "at": 5, "duration": 90, "targets": ["p02"]})
    assert away.failing == [] and away.history.seconds > 90
    late = disturbed({"kind": "kill", "at": 5000, "duration": 9})
    assert late.failing == ["faults_happened"] and late.history.seconds < 90
    assert late.verdict["checks"]["faults_happened"] == {"result": "unknown", "reason": "1 faults never began"}


def test_a_peer_whose_ipfs_node_is_down_trains_on_and_publishes_afterwards() -> None:
    session = disturbed({"kind": "ipfs-stop", "at": 5, "duration": 12, "targets": ["p02"]})
    assert within(session, Trained, "p02") and within(session, Published, "p02") == []
    peer = session.host("p02").peer
    status = peer and peer.status()
    assert status and status.published and status.published.step == status.step


def test_the_effect_of_another_fault_is_no_evidence() -> None:
    rare, frequent = ({"kind": "loss", "at": 5, "duration": 12, "probability": each} for each in (1e-4, 0.9))
    session = disturbed(rare | {"targets": ["p01"]}, frequent | {"targets": ["p02"]})
    assert [fact.effect for _, fact in session.history.facts(FaultEnded)] == [Effect.INEFFECTIVE, Effect.APPLIED]


def test_payments_in_lost_blocks_are_sent_again_and_made_once() -> None:
    session = disturbed({"kind": "chain-kill", "at": 8, "duration": 3, "blocks": 6})
    states = [changes[-1][1].state for changes in session.history.debts.values()]
    assert session.failing == [] and set(states) == {DebtState.FINAL}


def test_faults_may_overlap_and_each_heals_alone() -> None:
    session = disturbed(
        {"kind": "kill", "at": 5, "duration": 10, "targets": ["p01"]},
        {"kind": "kill", "at": 8, "duration": 10, "targets": ["p01", "p02"]},
        {"kind": "pause", "at": 6, "duration": 14, "targets": ["p02", "p03"]},
        {"kind": "ipfs-stop", "at": 6, "duration": 20, "targets": ["p01"]},
        {"kind": "chain-stop", "at": 6, "duration": 20},
        {"kind": "chain-pause", "at": 9, "duration": 20},
    )
    assert session.failing == []
    assert [record.peer for record, _ in session.history.facts(PeerCrashed)].count("p01") == 1
    net = session.simulation.swarm.net
    assert not net.links and not net.down and session.simulation.ledger.reachable


@pytest.mark.parametrize("seed", [*range(20), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(20, 200))])
def test_random_plans_break_nothing(seed: int) -> None:
    """Up to six faults of any kind at any time, drawn from the seed.  Some meet no work; none leaks or stays."""
    rng = random.Random(f"plan {seed}")
    faults = [
        {
            "kind": rng.choice(WITHOUT_SENSORS).value,
            "at": round(rng.uniform(0, 20), 1),
            "duration": round(rng.uniform(1, 20), 1),
            "targets": rng.choice(["one", "minority", "half", "random", "rolling"]),
            "every": 5.0,
            "probability": round(rng.uniform(0.1, 1.0), 2),
            "delay": 0.5,
            "one_way": rng.random() < 0.5,
            "blocks": rng.randrange(8),
        }
        for _ in range(rng.randint(1, 6))
    ]
    session = disturbed(*faults, seed=seed, expect={"recovery": 60.0})
    assert set(session.failing) <= {"faults_happened"}, faults
    doubts = session.verdict["checks"]["faults_happened"]["reason"].split("; ")
    assert all(re.search("never began|had no effect|without work|^$|before its", each) for each in doubts), doubts
    assert session.verdict["summary"]["peers_finished"] == 6


# bad input


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"kind": "meteor", "at": 1}, 'session: faults.0.kind = "meteor" is not allowed: give one of cut, split'),
        ({"kind": "kill", "at": 1, "until": 3}, "session: faults.0.until: no such setting"),
        ({"kind": "kill", "at": 1, "targets": ["p77"]}, "targets: p77 not in this swarm: name some of p00 to p05"),
        ({"kind": "cut", "at": 1}, "faults.0 (cut): duration: give more than 0 s"),
        ({"kind": "kill", "at": float("nan")}, "session: faults.0.at = NaN is not allowed: give a number"),
        ({"kind": "kill", "at": 1, "targets": []}, "faults.0 (kill): targets: name a peer"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_before_anything_runs(fault: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(PACED | {"faults": [fault]})
    assert sentence in str(refused.value)
