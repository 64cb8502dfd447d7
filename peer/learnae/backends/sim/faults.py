"""A session's faults in the simulator: the runner's turns, taken in virtual time."""

from dataclasses import dataclass, replace
from functools import partial

from learnae.adapters.memory import now
from learnae.ports import Observer
from learnae.protocol.policies import Policy
from learnae.runtime.fault_runner import FaultRunner, in_turn
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.simulated_feed import SimulatedFeed
from learnae.runtime.simulator import Simulator
from learnae.session.fault_plan import boundaries, fault_times, plan
from learnae.session.faults import Component, Fault, FaultKind, Part
from learnae.session.roster import first_at_work, sensor_names
from learnae.session.settings import Session


def undisturbed(session: Session) -> Session:
    """The same session without faults, in which all peers are honest."""
    honest = (
        replace(group, policy=Policy.HONEST, behaviour=None, victim=None, leader=None) for group in session.groups
    )
    return replace(session, faults=(), groups=tuple(honest))


def simulated_faults(setup: MemorySession, simulator: Simulator, feed: SimulatedFeed, record: Observer) -> Observer:
    """An observer of the session that carries out its faults."""
    session, names = setup.session, list(simulator.hosts)
    windows = plan(session.faults, names, session.seed, sensor_names(session.groups, session.peers))

    def take_turn(moment: float) -> None:
        now(runner.turn(moment))

    def schedule(start: float) -> None:
        simulator.end.faults = fault_times(windows, start, session.network.announce_every)
        for moment in boundaries(windows):
            simulator.at(start + moment, partial(take_turn, moment))

    runner = FaultRunner(
        windows,
        names,
        first_at_work(member for member in setup.members if member.name in simulator.hosts or member.group.sensor),
        simulator.net,
        SimulatedLifecycle(simulator, feed),
        lambda peer, fact: record(simulator.clock.now, peer, fact),
        on_start=schedule,
        together=in_turn,
    )
    for name, sensor in feed.sensors.items():
        joins_at = sensor.member.group.joins_at
        simulator.at(joins_at, partial(runner.at_work, joins_at, name))
    return runner.observe


@dataclass
class SimulatedLifecycle:
    """``ports.Lifecycle`` of a simulated session.  Nothing waits."""

    simulator: Simulator
    feed: SimulatedFeed

    async def interrupt(self, component: Component, fault: Fault) -> bool:
        simulator, name = self.simulator, component.peer
        match component.part:
            case Part.PEER if simulator.hosts[name].peer is None:
                return False  # it has not joined yet
            case Part.PEER:
                simulator.away.add(name)
                (simulator.freeze if fault.kind.pauses else simulator.kill)(name)
            case Part.IPFS:
                simulator.net.stores_down.add(name)
            case Part.CHAIN:
                simulator.ledger.stall()
            case Part.FEED:
                self.feed.broker.down = True
            case Part.SENSOR:
                return self.feed.interrupt(name, fault.kind.pauses)
        return True

    async def restore(self, component: Component, fault: Fault) -> None:
        simulator, name = self.simulator, component.peer
        match component.part:
            case Part.PEER:
                simulator.away.discard(name)
                (simulator.thaw if fault.kind.pauses else simulator.start)(name)
            case Part.IPFS:
                simulator.net.stores_down.discard(name)
            case Part.CHAIN:
                if fault.kind is FaultKind.CHAIN_KILL:
                    simulator.roll_back(fault.blocks)
                simulator.ledger.resume()
            case Part.FEED:
                self.feed.broker.down = False
            case Part.SENSOR:
                self.feed.restore(name)

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        match component.part:
            case Part.PEER:
                host = self.simulator.hosts[component.peer]
                return host.peer is None or host.frozen is not None
            case Part.IPFS:
                return component.peer in self.simulator.net.stores_down
            case Part.FEED:
                return self.feed.broker.down
            case Part.SENSOR:
                return not self.feed.sensors[component.peer].up
            case Part.CHAIN:
                return not self.simulator.ledger.reachable
