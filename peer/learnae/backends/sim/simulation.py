"""One session in the simulator: sets up the chain, the peers and the test accuracies, and runs them."""

import random
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from learnae.adapters.memory_chain import MemoryChain, MemoryChainPort
from learnae.backends.sim.faults import simulated_faults
from learnae.collector import collector_paused
from learnae.ports import Observer
from learnae.protocol.peer import Peer
from learnae.protocol.types import Wei, wei
from learnae.records.history import SWARM, Fact, Record, SessionEnded
from learnae.records.outcome import BackendName, EndedBy
from learnae.runtime.clocks import VirtualClock
from learnae.runtime.cost_model import PeerCosts
from learnae.runtime.learning import Learning
from learnae.runtime.memory_session import MemorySession, memory_keys
from learnae.runtime.simulated_feed import SimulatedFeed
from learnae.runtime.simulated_peer import SimulatedPeer
from learnae.runtime.simulator import Simulator
from learnae.runtime.test_accuracy import TestAccuracy
from learnae.session.fee_pool import pool_terms
from learnae.session.plugin_files import require_plugins
from learnae.session.roster import Keys
from learnae.session.settings import Session

EVALUATE_AT_ONCE = 64  # models per batch
JOURNALS_UP_TO = 100  # peers; in a larger session journals are kept only if it has faults


@dataclass
class MemoryHistory:
    """An observer that keeps the history in memory."""

    records: list[Record] = field(default_factory=list)

    def observe(self, now: float, peer: str, item: Fact) -> None:
        self.records.append(Record(now, peer, item))


class Interrupted(Exception):
    """The caller wants the simulation to end."""


class Simulation:
    """One session, ready to run.  ``simulator`` takes faults before ``run``.

    ``present``: names of the peers that take part; None: all.  ``keys``: public ids; by default from the seed.
    """

    def __init__(
        self,
        session: Session,
        learning: Learning,
        observers: Sequence[Observer],
        journals: bool | None = None,
        present: Set[str] | None = None,
        keys: Keys | None = None,
    ):
        require_plugins(session)
        self.session, self.observers = session, tuple(observers)
        self.clock = VirtualClock()
        self.setup = MemorySession(session, learning, keys or memory_keys(session), present)
        self.swarm = self.setup.swarm
        self.ledger = MemoryChain(
            lambda: self.clock.now,
            {member.wallet: wei(session.chain.balance) for member in self.setup.members},
            session.chain.id,
            session.chain.block_time,
            Wei(int(session.chain.gas_price * 10**9)),
            pool_terms=pool_terms(session),
        )
        keep = journals if journals is not None else session.peers <= JOURNALS_UP_TO or bool(session.faults)
        self.evaluation = TestAccuracy(self.setup, self._record)
        self._stopping = False
        watching = (*self.observers, self.evaluation.observe, self._end_if_stopping)
        self.simulator = Simulator(session, self.clock, self._hosts(), self.swarm, self.ledger, watching, keep)
        self.feed = SimulatedFeed(self.simulator, self.setup, self._record)
        if session.faults:
            self.simulator.observers += (simulated_faults(self.setup, self.simulator, self.feed, self._record),)

    def run(self) -> EndedBy:
        """What ended it: quiet, max_duration or interrupted.  Everything is recorded by then."""
        self._record(0.0, SWARM, self.setup.began(BackendName.SIM))
        with collector_paused():  # a session makes almost no cycles, and keeps most of its objects to its end
            ended_by = self._run_simulator()
        self.evaluation.add_last(self._up())
        self.evaluation.flush(self.clock.now)
        self._record(self.clock.now, SWARM, SessionEnded(ended_by))
        return ended_by

    def stop(self) -> None:
        """End it soon, as interrupted; may be called from another thread."""
        self._stopping = True

    # private

    def _run_simulator(self) -> EndedBy:
        try:
            ended_by = self.simulator.run(self._tick)
            self.simulator.close()
        except (Interrupted, KeyboardInterrupt):
            return EndedBy.INTERRUPTED
        return ended_by

    def _tick(self, now: float) -> None:
        self.evaluation.flush(now, EVALUATE_AT_ONCE)
        self._end_if_stopping(now, SWARM, None)

    def _end_if_stopping(self, now: float, peer: str, item: object) -> None:
        """An observer, so that a session ends in the middle of a tick, too."""
        if self._stopping:
            raise Interrupted

    def _up(self) -> list[tuple[str, Peer]]:
        return [(host.name, host.peer) for host in self.simulator.hosts.values() if host.peer]

    def _hosts(self) -> list[SimulatedPeer]:
        session, setup = self.session, self.setup
        hosts: dict[int, SimulatedPeer] = {}
        for index in setup.present:
            member = setup.members[index]
            limits = session.chain.max_fee_wei, session.chain.gas_cap_wei
            ports = setup.ports(index, MemoryChainPort(self.ledger, member.wallet, *limits))
            rng = random.Random(f"{session.seed} cost {member.name}")
            speed = rng.lognormvariate(0.0, session.cost.speed_sigma)
            rows = setup.learning.rows(index) or session.data.rows  # without own rows: of received blocks
            costs = PeerCosts(session, rows // session.work.slices, rng, speed, setup.sensors)
            config = setup.peer_config(index)
            hosts[index] = SimulatedPeer(member.name, config, ports, member.group.joins_at, costs)
        for index, host in hosts.items():
            host.listeners = [hosts[other] for other in setup.neighbours[index]]
        return list(hosts.values())

    def _record(self, now: float, peer: str, item: Fact) -> None:
        for observe in self.observers:
            observe(now, peer, item)
