"""A session's faults in one process: links of the memory network fail, peers' tasks end, the EVM stops answering."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from learnae.runtime.fault_runner import FaultRunner
from learnae.session.fault_plan import fault_times, plan
from learnae.session.faults import Component, Fault, FaultKind, Part
from learnae.session.roster import first_at_work

if TYPE_CHECKING:
    from learnae.backends.embedded.swarm import EmbeddedSwarm


def embedded_faults(swarm: "EmbeddedSwarm", report: Callable[[str], None]) -> FaultRunner:
    session, members = swarm.session, swarm.setup.members
    names = [member.name for member in members]
    sensors = [member.name for member in members if member.group.sensor]
    windows, again = plan(session.faults, names, session.seed, sensors), session.network.announce_every
    return FaultRunner(
        windows,
        names,
        first_at_work(members),
        swarm.setup.swarm.net,
        EmbeddedLifecycle(swarm),
        lambda peer, fact: swarm.record(swarm.clock(), peer, fact),
        report,
        on_start=lambda start: swarm.wait_for(fault_times(windows, start, again)),
    )


@dataclass
class EmbeddedLifecycle:
    """``ports.Lifecycle`` of an embedded swarm.  A peer that is killed resumes from its journal."""

    swarm: "EmbeddedSwarm"

    async def interrupt(self, component: Component, fault: Fault) -> bool:
        swarm, name = self.swarm, component.peer
        match component.part:
            case Part.PEER if not swarm.runs(name):
                return False
            case Part.PEER if fault.kind.pauses:
                swarm.live_peer(name).freeze()
            case Part.PEER:
                await swarm.take_down(name, gently=fault.kind.gentle)
            case Part.IPFS:
                swarm.setup.swarm.net.stores_down.add(name)
            case Part.CHAIN:
                swarm.evm.reachable = False
            case Part.FEED:
                await swarm.sensors.feed.interrupt()
            case Part.SENSOR:
                return await swarm.sensors.interrupt(name, fault.kind.pauses)
        return True

    async def restore(self, component: Component, fault: Fault) -> None:
        swarm, name = self.swarm, component.peer
        match component.part:
            case Part.PEER if fault.kind.pauses:
                swarm.live_peer(name).thaw()
            case Part.PEER:
                swarm.bring_back(name)
            case Part.IPFS:
                swarm.setup.swarm.net.stores_down.discard(name)
            case Part.CHAIN:
                if fault.kind is FaultKind.CHAIN_KILL:
                    await swarm.evm.roll_back(fault.blocks)
                swarm.evm.reachable = True
            case Part.FEED:
                await swarm.sensors.feed.restore()
            case Part.SENSOR:
                swarm.sensors.restore(name)

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        match component.part:
            case Part.PEER:
                return not self.swarm.runs(component.peer) or self.swarm.live_peer(component.peer).frozen
            case Part.IPFS:
                return component.peer in self.swarm.setup.swarm.net.stores_down
            case Part.FEED:
                return self.swarm.sensors.feed.interrupted
            case Part.SENSOR:
                return not self.swarm.sensors.is_up(component.peer)
            case Part.CHAIN:
                return not self.swarm.evm.reachable
