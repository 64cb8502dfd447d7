"""The runner of faults, turn by turn, on a network and processes in memory."""

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from learnae.adapters.memory import MemoryLifecycle, now
from learnae.adapters.memory_network import MemoryNet
from learnae.errors import InputError
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.records.history import Effect, Fact, FaultBegan, FaultEnded, FaultsPlanned, PeerCrashed
from learnae.runtime.fault_runner import FaultRunner, in_turn
from learnae.session.fault_plan import plan
from learnae.session.faults import CHAIN, Component, Fault, FaultKind, Links, Part

NAMES = ("p00", "p01", "p02", "p03")
P00, P01 = (Component(Part.PEER, name) for name in NAMES[:2])


@dataclass
class World:
    """A swarm in memory, and a runner whose turns the test takes."""

    faults: list[Fault]
    network: MemoryNet = field(default_factory=lambda: MemoryNet(random.Random(1)))
    lifecycle: MemoryLifecycle = field(default_factory=MemoryLifecycle)
    facts: list[tuple[str, Fact]] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runner = FaultRunner(
            plan(self.faults, NAMES, 1),
            NAMES,
            NAMES[:2],
            self.network,
            self.lifecycle,
            lambda peer, fact: self.facts.append((peer, fact)),
            self.reported.append,
            self.starts.append,
            in_turn,
        )

    def turn(self, moment: float) -> None:
        now(self.runner.turn(moment))

    @property
    def effects(self) -> list[Effect]:
        return [fact.effect for _, fact in self.facts if isinstance(fact, FaultEnded)]

    def kinds(self) -> list[str]:
        return [type(fact).__name__ for _, fact in self.facts]


def fault(kind: FaultKind, *targets: str, at: float = 0.0, duration: float = 10.0, **more: Any) -> Fault:
    return Fault(kind, at, duration, targets=targets or "one", **more)


def test_a_plan_starts_when_the_last_expected_peer_begins_to_work() -> None:
    world = World([fault(FaultKind.CUT, "p00")])
    for at, peer, work in (
        (1.0, "p00", WorkState.TRAINING),
        (2.0, "p03", WorkState.TRAINING),
        (3.0, "p01", WorkState.IDLE),
    ):
        world.runner.observe(at, peer, WorkChanged(work))
    assert world.starts == [] and world.facts == []
    for at in (4.0, 5.0):
        world.runner.observe(at, "p01", WorkChanged(WorkState.MERGING))
    assert world.starts == [4.0] and world.facts == [("swarm", FaultsPlanned(1))]


def test_a_cut_is_applied_if_it_stopped_a_message() -> None:
    world = World([fault(FaultKind.CUT, "p00")])
    world.turn(0.0)
    assert not world.network.allows("p00", "p01") and world.network.allows("p01", "p02")
    world.turn(10.0)
    assert world.network.allows("p00", "p01") and world.effects == [Effect.APPLIED]
    assert world.kinds() == ["FaultBegan", "FaultEnded"]


def test_a_cut_that_stopped_no_message_was_ineffective() -> None:
    world = World([fault(FaultKind.CUT, "p00")])
    world.network.hindered["p00", "p01"] = 5  # before it began
    world.turn(0.0)
    world.turn(10.0)
    assert world.effects == [Effect.INEFFECTIVE]


def test_a_fault_is_recorded_before_its_peers_crash() -> None:
    world = World([fault(FaultKind.KILL, "p00", "p01")])
    world.turn(0.0)
    began = FaultBegan(0, FaultKind.KILL, ("p00", "p01"), ())
    assert world.facts == [("swarm", began), ("p00", PeerCrashed()), ("p01", PeerCrashed())]
    assert set(world.lifecycle.down) == world.runner.away == {P00, P01}
    world.turn(10.0)
    assert world.effects == [Effect.APPLIED] and not world.lifecycle.down and not world.runner.away


def test_a_paused_peer_has_not_crashed() -> None:
    world = World([fault(FaultKind.PAUSE, "p00")])
    world.turn(0.0)
    assert world.lifecycle.down and world.kinds() == ["FaultBegan"]


def test_a_peer_that_had_ended_by_itself_is_neither_killed_nor_restored() -> None:
    world = World([fault(FaultKind.KILL, "p00")])
    world.lifecycle.gone.add(P00)
    world.turn(0.0)
    world.turn(10.0)
    assert world.effects == [Effect.INEFFECTIVE] and world.kinds() == ["FaultBegan", "FaultEnded"]


def test_a_peer_stays_down_when_a_second_fault_takes_over() -> None:
    world = World([fault(FaultKind.KILL, "p00"), fault(FaultKind.STOP, "p00", at=5.0)])
    for moment in (0.0, 5.0, 10.0):
        world.turn(moment)
        assert P00 in world.lifecycle.down
    world.turn(15.0)
    assert not world.lifecycle.down and world.effects == [Effect.APPLIED] * 2
    assert world.kinds().count("PeerCrashed") == 1


def test_a_paused_peer_that_is_killed_is_resumed_first_and_paused_again_afterwards() -> None:
    pause, kill = fault(FaultKind.PAUSE, "p00", duration=20.0), fault(FaultKind.KILL, "p00", at=5.0)
    world = World([pause, kill])
    held = []
    for moment in (0.0, 5.0, 15.0, 20.0):
        world.turn(moment)
        held.append(world.lifecycle.down.get(P00))
    assert held == [pause, kill, pause, None]


def test_each_fault_of_the_chain_ends_in_its_own_way() -> None:
    kill, stop = fault(FaultKind.CHAIN_KILL), fault(FaultKind.CHAIN_STOP, at=5.0)
    world = World([kill, stop])
    held = []
    for moment in (0.0, 5.0, 10.0, 15.0):
        world.turn(moment)
        held.append(world.lifecycle.down.get(CHAIN))
    assert held == [kill, stop, stop, None]


def test_healing_ends_everything_wherever_the_plan_is() -> None:
    world = World([fault(FaultKind.CUT, "p00"), fault(FaultKind.KILL, "p01"), fault(FaultKind.CHAIN_PAUSE)])
    world.turn(0.0)
    now(world.runner.heal())
    assert not (world.network.links or world.lifecycle.down or world.runner.away)
    assert world.effects == []  # no fault came to its end
    assert world.reported == ["Chaos: everything is healed, before the plan was at its end."]


def test_healing_after_the_plan_reports_nothing() -> None:
    world = World([fault(FaultKind.CUT, "p00")])
    world.turn(0.0)
    world.turn(10.0)
    now(world.runner.heal())
    assert world.reported == []


@pytest.mark.parametrize("call", ["set_links", "affected"])
def test_a_network_that_fails_is_reported_and_leaves_no_evidence(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(self: MemoryNet, links: Links) -> None:
        raise InputError("the network does not answer")

    monkeypatch.setattr(MemoryNet, call, fails)
    world = World([fault(FaultKind.CUT, "p00"), fault(FaultKind.KILL, "p01")])
    world.turn(0.0)
    world.network.allows("p00", "p01")
    world.turn(10.0)
    assert world.effects == [Effect.INEFFECTIVE, Effect.APPLIED]
    assert set(world.reported) == {"Chaos: the network does not answer."}
