"""A session's faults carried out in the simulator: the plan's state of the world, put into force whenever it changes.

The plan counts from the moment when the last of the expected peers is at work for the first time.
"""

from dataclasses import replace
from functools import partial

from learnae.ports import Observer
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.protocol.types import Policy
from learnae.records.history import SWARM, Effect, Fact, FaultBegan, FaultEnded, FaultsPlanned
from learnae.runtime.simulator import Simulator
from learnae.session.faults import FaultKind, FaultState, FaultWindow, boundaries, plan, state
from learnae.session.settings import Session


def undisturbed(session: Session) -> Session:
    """The same without faults, and with everybody honest."""
    honest = (replace(group, policy=Policy.HONEST, victim=None) for group in session.groups)
    return replace(session, faults=(), groups=tuple(honest))


class SimulatedChaos:
    """An observer of the session that it disturbs."""

    def __init__(self, session: Session, simulator: Simulator, record: Observer) -> None:
        self.simulator, self._record = simulator, record
        self.names = list(simulator.hosts)
        self.windows = plan(session.faults, self.names, session.seed)
        self._awaited = {name for name, host in simulator.hosts.items() if host.joins_at == 0}
        self._state = FaultState()
        self._before: dict[int, int] = {}  # what the evidence for a window counts from

    def observe(self, now: float, peer: str, item: Fact) -> None:
        match item:
            case WorkChanged(WorkState.TRAINING | WorkState.MERGING) if peer in self._awaited:
                self._awaited.discard(peer)
                if not self._awaited:
                    self._begin(now)

    # in here

    def _begin(self, now: float) -> None:
        self._record(now, SWARM, FaultsPlanned(len(self.windows)))
        for moment in boundaries(self.windows):
            self.simulator.at(now + moment, partial(self._turn, moment))

    def _turn(self, moment: float) -> None:
        now = self.simulator.clock.now
        for number, window in enumerate(self.windows):
            if window.end == moment:
                effect = Effect.APPLIED if self._evidence(window) > self._before[number] else Effect.INEFFECTIVE
                self._record(now, SWARM, FaultEnded(number, effect))
        for number, window in enumerate(self.windows):
            if window.begin == moment:
                self._before[number] = self._evidence(window)
                self._record(now, SWARM, FaultBegan(number, window.kind, window.targets, window.sides))
        self._enforce(state(self.windows, moment, self.names))

    def _enforce(self, new: FaultState) -> None:
        simulator, old, self._state = self.simulator, self._state, new
        simulator.net.links = new.links
        for name in sorted(old.frozen - new.frozen):
            simulator.thaw(name)
        for name in sorted(old.dead - new.dead):
            simulator.start(name)
        for name in sorted(new.dead - old.dead):
            simulator.kill(name)
        for name in sorted(new.frozen - old.frozen - new.dead):
            simulator.freeze(name)
        simulator.net.down = set(new.dead | new.ipfs_down)
        simulator.expected = new.dead | new.frozen
        if new.chain and not old.chain:
            simulator.ledger.stall()
        if old.chain and not new.chain:
            if old.chain.kind is FaultKind.CHAIN_KILL:
                simulator.roll_back(old.chain.blocks)
            simulator.ledger.resume()

    def _evidence(self, window: FaultWindow) -> int:
        """A number that grows by what the fault does to its targets."""
        hindered = self.simulator.net.hindered
        if window.kind.network:
            return sum(hindered[pair] for pair in state([window], window.begin, self.names).links)
        if window.kind is FaultKind.IPFS_STOP:
            return sum(many for pair, many in hindered.items() if set(pair) & set(window.targets))
        if window.kind.chain:
            return self.simulator.ledger.refused
        return sum(self.simulator.hosts[name].held for name in window.targets)
