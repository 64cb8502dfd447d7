"""Faults in an embedded swarm, in real time: each kind is shown by its effect and its evidence, and is healed."""

from functools import cache
from typing import Any

import pytest
from tests.helpers.live_peer_lives import Live

from learnae.adapters.memory_network import MemoryNet
from learnae.backends.embedded.faults import EmbeddedLifecycle
from learnae.backends.embedded.swarm import EmbeddedSwarm
from learnae.errors import Reason
from learnae.ports import Performed
from learnae.protocol.decisions import Averaged, DebtState, Published, RolledBack, Trained
from learnae.records.history import Effect, FaultBegan, FaultEnded, PeerCrashed, PeerRestarted
from learnae.runtime.live import LivePeer
from learnae.session.faults import Links

pytestmark = pytest.mark.slow

PACED: dict[str, Any] = {
    "peers": 6,
    "linger": 0.5,
    "max_duration": 600.0,
    "work": {"slices": 10, "patience": 8, "idle_after": 0.4},
    "pace": {"slice": 0.3, "attempt": 0.1},
    "network": {"announce_every": 0.3, "fetch_timeout": 0.5},
    "expect": {"recovery": 60.0},
}
HALVES = ("p00", "p01", "p02")


def fault(kind: str, *targets: str, at: float = 0.5, duration: float = 1.5, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "at": at, "duration": duration, **({"targets": list(targets)} if targets else {}), **more}


def disturbed(*faults: dict[str, Any], **changes: Any) -> Live:
    return Live(PACED | {"faults": list(faults)} | changes)


@cache
def with_processes_interrupted() -> Live:
    live = disturbed(fault("kill", "p00"), fault("stop", "p01"), fault("pause", "p02"), fault("ipfs-stop", "p03"))
    assert live.run() == "quiet"
    return live


@cache
def with_links_disturbed() -> tuple[Live, list[Performed]]:
    split = fault("split", *HALVES)
    live = disturbed(split, fault("slow", "p04", at=2.4, delay=0.1), fault("loss", "p05", at=2.4, probability=0.5))
    timed: list[Performed] = []
    live.swarm.live_peer("p04").stopwatches = (lambda peer, performed: timed.append(performed),)
    assert live.run() == "quiet"
    return live, timed


def effects(live: Live) -> list[Effect]:
    return [fact.effect for _, fact in live.history.facts(FaultEnded)]


def window(live: Live, number: int = 0) -> tuple[float, float]:
    [begin] = [record.t for record, fact in live.history.facts(FaultBegan) if fact.window == number]
    [end] = [record.t for record, fact in live.history.facts(FaultEnded) if fact.window == number]
    return begin, end


def within(live: Live, name: str, *kinds: type, number: int = 0) -> list[float]:
    begin, end = window(live, number)
    return [each.t for each in live.history.of(*kinds) if each.peer == name and begin + 0.3 < each.t < end]


def test_every_fault_of_a_process_is_applied_and_the_session_is_valid() -> None:
    live = with_processes_interrupted()
    assert effects(live) == [Effect.APPLIED] * 4
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]
    assert live.verdict["summary"]["peers_finished"] == 6


@pytest.mark.parametrize(("name", "number"), [("p00", 0), ("p01", 1)])
def test_a_peer_that_is_killed_or_stopped_resumes_from_its_journal(name: str, number: int) -> None:
    live = with_processes_interrupted()
    end = window(live, number)[1]
    assert within(live, name, Trained, Averaged, Published, number=number) == []
    [crashed] = [record.t for record, _ in live.history.facts(PeerCrashed) if record.peer == name]
    [restarted] = [record.t for record, _ in live.history.facts(PeerRestarted) if record.peer == name]
    assert crashed < end <= restarted
    trained = [fact.slice for record, fact in live.history.facts(Trained) if record.peer == name]
    assert sorted(trained) == list(range(10))  # none twice


def test_a_peer_that_is_frozen_does_nothing_and_forgets_nothing() -> None:
    live = with_processes_interrupted()
    assert within(live, "p02", Trained, Averaged, Published, number=2) == []
    assert {record.peer for record, _ in live.history.facts(PeerCrashed)} == {"p00", "p01"}
    assert any(record.peer == "p02" and record.t > window(live, 2)[1] for record, _ in live.history.facts(Trained))


def test_a_peer_without_its_store_trains_on_and_publishes_afterwards() -> None:
    live = with_processes_interrupted()
    assert within(live, "p03", Trained, number=3) and within(live, "p03", Published, number=3) == []
    assert any(record.peer == "p03" and record.t > window(live, 3)[1] for record, _ in live.history.facts(Published))


def test_every_fault_of_links_is_applied_and_the_session_is_valid() -> None:
    live, _ = with_links_disturbed()
    assert effects(live) == [Effect.APPLIED] * 3
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]


def test_no_new_model_crosses_a_split_before_it_is_healed() -> None:
    live, _ = with_links_disturbed()
    begin, end = window(live)
    names = {entry.peer: name for name, entry in live.history.roster.items()}
    new = {fact.cid for record, fact in live.history.facts(Published) if record.t >= begin}
    crossed = [
        record.t
        for record, fact in live.history.facts(Averaged)
        if fact.remote_cid in new and (record.peer in HALVES) != (names[fact.creator] in HALVES)
    ]
    assert crossed and min(crossed) >= end


def test_a_fetch_over_a_slow_link_takes_as_long_as_its_messages() -> None:
    """A request and its answer are each delayed by 0.1 s."""
    _, timed = with_links_disturbed()
    fetches = [performed.seconds for performed in timed if performed.action == "FetchModel" and not performed.failed]
    assert min(fetches) < 0.2 <= max(fetches)


def test_a_chain_that_does_not_answer_or_loses_blocks_settles_every_debt_once() -> None:
    live = disturbed(fault("chain-pause"), fault("chain-kill", at=2.5, duration=1.0, blocks=8))
    polls: list[Reason | None] = []

    def note(peer: str, performed: Performed) -> None:
        if performed.action == "ReadHead":
            polls.append(performed.failed)

    live.swarm.live_peer("p00").stopwatches = (note,)
    assert live.run() == "quiet"
    assert effects(live) == [Effect.APPLIED] * 2
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]
    polls = [reason for reason in polls if reason is not Reason.TIMEOUT]  # of a busy machine
    answers = [reason for reason, before in zip(polls, [Reason.FUNDS, *polls[:-1]], strict=True) if reason != before]
    assert answers in (
        [None, Reason.UNREACHABLE, None],
        [None, Reason.UNREACHABLE] * 2 + [None],
    )  # as often as it asked
    assert list(live.history.facts(RolledBack))
    assert {changes[-1][1].state for changes in live.history.debts.values()} == {DebtState.FINAL}


def test_everything_is_healed_when_the_session_is_interrupted() -> None:
    reported: list[str] = []
    live = disturbed(
        fault("split", *HALVES, duration=60),
        fault("kill", "p00", duration=60),
        fault("pause", "p01", duration=60),
        fault("ipfs-stop", "p02", duration=60),
        fault("chain-stop", duration=60),
        report=reported.append,
    )
    live.when(lambda: any(isinstance(each.fact, PeerCrashed) for each in live.recording.records), live.swarm.stop)
    assert live.run() == "interrupted"
    net = live.setup.swarm.net
    assert not (net.links or net.down or net.stores_down) and live.swarm.evm.reachable
    assert not any(peer.frozen for peer in live.swarm.peers)
    assert reported == ["Chaos: everything is healed, before the plan was at its end."]
    assert any(isinstance(record.fact, PeerRestarted) for record in live.recording.records)


# mutants


def set_links_only_when_they_are_cut(patch: pytest.MonkeyPatch) -> None:
    set_links = MemoryNet.set_links

    async def forgetful(self: MemoryNet, links: Links) -> None:
        if links:
            await set_links(self, links)

    patch.setattr(MemoryNet, "set_links", forgetful)


async def nothing(*arguments: Any) -> None:
    """In place of something that should be done."""


def test_a_runner_that_forgets_to_heal_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    set_links_only_when_they_are_cut(monkeypatch)
    monkeypatch.setattr(EmbeddedLifecycle, "restore", nothing)
    live = disturbed(fault("split", *HALVES), fault("pause", "p05"), expect={"recovery": 1.0}, max_duration=15.0)
    live.run()
    recovered = live.verdict["checks"]["recovered"]
    assert recovered["result"] == "invalid" and "crossed" in recovered["reason"] and "p05" in recovered["reason"]


def test_rules_and_interruptions_that_are_not_applied_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryNet, "set_links", nothing)
    monkeypatch.setattr(LivePeer, "freeze", lambda self: None)
    monkeypatch.setattr(EmbeddedSwarm, "take_down", lambda self, name, gently: nothing())
    monkeypatch.setattr(EmbeddedSwarm, "bring_back", lambda self, name: None)
    live = disturbed(fault("split", *HALVES), fault("pause", "p01"), fault("kill", "p02"))
    live.run()
    assert effects(live) == [Effect.INEFFECTIVE] * 3
    assert live.verdict["checks"]["faults_happened"]["result"] == "unknown"
