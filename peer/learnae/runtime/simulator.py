"""The simulator: virtual time, a heap, seeded dice.  The same session with the same seed is the same, event for event.

Work takes the durations of the session's cost model; results are computed when the clock reaches the end of a job, so
that all jobs under way by then run as one batch in the pool.  Whatever happens at one moment happens in the order in
which it was scheduled.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from learnae.adapters.memory import MemoryJournal, MemorySwarm, now
from learnae.adapters.memory_chain import MemoryChain
from learnae.errors import DriverError, Reason
from learnae.ports import Observer
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.peer import Peer
from learnae.protocol.replay import digest, new_peer, replay
from learnae.protocol.types import Announcement, Cid, PeerConfig, PeerId, Timer
from learnae.records.history import Fact, PeerCrashed, PeerRestarted
from learnae.records.outcome import EndedBy
from learnae.runtime.dispatch import Ports, finish, perform, submit
from learnae.session.faults import CUT, Link
from learnae.session.settings import Session

TICK = 0.5  # s between looks at whether the session is over


@dataclass
class VirtualClock:
    now: float = 0.0


@dataclass
class SimulatedPeer:
    """One peer and the process around it."""

    name: str
    config: PeerConfig
    ports: Ports
    joins_at: float
    rows: int  # training rows a slice
    dice: random.Random
    speed: float = 1.0
    hears: list["SimulatedPeer"] = field(default_factory=list)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    peer: Peer | None = None  # None: down
    frozen: list[Callable[[], None]] | None = None  # what waits until it is thawed
    life: int = 0  # counts crashes: what was scheduled for another life is void
    held: int = 0  # how often it was killed or frozen
    handled: int = 0
    timers: dict[Timer, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)  # announcements, by reason


class Simulator:
    """``at`` schedules whatever else should happen: faults are calls of the verbs below."""

    def __init__(
        self,
        session: Session,
        clock: VirtualClock,
        hosts: Sequence[SimulatedPeer],
        swarm: MemorySwarm,
        ledger: MemoryChain,
        observers: Sequence[Observer],
        journals: bool = True,
    ) -> None:
        self.session, self.clock, self.swarm, self.ledger = session, clock, swarm, ledger
        self.observers = tuple(observers)
        self.hosts = {host.name: host for host in hosts}
        self.net = swarm.net
        self.crash_points: set[tuple[str, int, int]] = set()  # (name, events handled, actions performed of the last)
        self._journals = journals
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._quiet_since: float | None = None
        self.expected: frozenset[str] = frozenset()  # peers that are down or frozen, and will be back
        for host in hosts:
            self.at(host.joins_at, partial(self._join, host))

    # time

    def at(self, time: float, what: Callable[[], None]) -> None:
        self._scheduled += 1
        heapq.heappush(self._heap, (max(time, self.clock.now), self._scheduled, what))

    def after(self, delay: float, what: Callable[[], None]) -> None:
        self.at(self.clock.now + delay, what)

    def run(self, tick: Callable[[float], None] = lambda now: None) -> EndedBy:
        """Until all is quiet for ``linger``, or ``max_duration``; says which.  ``tick`` is called now and then."""
        next_tick = 0.0
        while self._heap:
            time, _, what = heapq.heappop(self._heap)
            while next_tick <= time:
                self.clock.now = next_tick
                tick(next_tick)
                if self._over():
                    return EndedBy.QUIET
                if next_tick >= self.session.max_duration:
                    return EndedBy.MAX_DURATION
                next_tick += TICK
            self.clock.now = time
            what()
        return EndedBy.QUIET

    def close(self) -> None:
        for host in self.hosts.values():
            self.tell(host, on.SessionClosed(self.clock.now))

    # what can happen to a peer or to the chain

    def kill(self, name: str) -> None:
        host = self.hosts[name]
        host.peer, host.life, host.timers, host.frozen = None, host.life + 1, {}, None
        host.held += 1
        self.net.down.add(name)
        self._observe(host, PeerCrashed())

    def start(self, name: str, untold: Sequence[do.Action] = ()) -> None:
        """``untold``: what the crash kept from the observers; the journal has it, so history must."""
        if not self._journals:
            raise DriverError(f"{name} cannot come back: no journals are kept in this session")
        host = self.hosts[name]
        self.net.down.discard(name)
        self._observe(host, PeerRestarted())
        host.peer = replay(host.config, host.journal.replay())
        self._perform(host, [action for action in untold if isinstance(action, do.RecordDecision)])
        self._perform(host, host.peer.outstanding())
        self.tell(host, on.ChainRolledBack(self.clock.now, self.ledger.head()))

    def freeze(self, name: str) -> None:
        """What reaches it meanwhile waits."""
        self.hosts[name].frozen = []
        self.hosts[name].held += 1

    def thaw(self, name: str) -> None:
        host = self.hosts[name]
        waiting, host.frozen = host.frozen or [], None
        for what in waiting:
            what()

    def roll_back(self, blocks: int) -> None:
        self.ledger.roll_back(blocks)
        self._notify()

    def replace_chain(self) -> None:
        self.ledger.start_anew()
        self._notify()

    # in here

    def tell(self, host: SimulatedPeer, event: on.Event) -> None:
        """One event to one peer: handled, journalled, then performed."""
        if host.peer is None:
            return
        actions = host.peer.handle(event)
        host.handled += 1
        if self._journals:
            host.journal.append(event, digest(actions))
        life = host.life
        for done, action in enumerate(actions):
            if self._crashes(host, done, actions):
                return
            self._perform(host, [action])
        self._crashes(host, len(actions), actions)
        if host.life == life and isinstance(event, on.ModelScored):
            self._forget_unkept(host, event)

    def _crashes(self, host: SimulatedPeer, done: int, actions: Sequence[do.Action]) -> bool:
        """Crash here, if asked to, and come back at once."""
        if not self.crash_points or (host.name, host.handled, done) not in self.crash_points:
            return False
        self.crash_points.remove((host.name, host.handled, done))
        self.kill(host.name)
        self.start(host.name, actions[done:])
        return True

    def _perform(self, host: SimulatedPeer, actions: Sequence[do.Action]) -> None:
        for action in actions:
            match action:
                case do.RecordDecision(fact):
                    self._observe(host, fact)
                case do.SetTimer():
                    self._set_timer(host, action)
                case do.Announce(announcement):
                    self._announce(host, announcement)
                case do.ScoreModel() | do.TrainSlice() | do.AverageModels() | do.ForgeModel():
                    pending = submit(action, host.ports.trainer)
                    self._answer(host, self._work(host, action), partial(finish, action, pending))
                case do.FetchModel() if self._way(host, action.cid) == CUT:
                    failed = partial(on.RequestFailed, request=action.request, reason=Reason.TIMEOUT)
                    self._answer(host, self.session.network.fetch_timeout, failed)
                case _:
                    self._answer(host, self._wait(host, action), partial(_call, action, host.ports))

    def _answer(self, host: SimulatedPeer, delay: float, make: Callable[[float], on.Event]) -> None:
        self.after(delay, partial(self._reach, host, host.life, lambda: self.tell(host, make(self.clock.now))))

    def _set_timer(self, host: SimulatedPeer, action: do.SetTimer) -> None:
        self._scheduled += 1
        number = self._scheduled
        host.timers[action.timer] = number

        def fire() -> None:
            if host.timers.get(action.timer) == number:
                self.tell(host, on.TimerFired(self.clock.now, action.timer))

        self.after(action.delay, partial(self._reach, host, host.life, fire))

    def _reach(self, host: SimulatedPeer, life: int, what: Callable[[], None]) -> None:
        """Unless it has crashed meanwhile; who is frozen learns of it later."""
        if host.life != life:
            return
        if host.frozen is None:
            what()
        else:
            host.frozen.append(partial(self._reach, host, life, what))

    def _announce(self, host: SimulatedPeer, announcement: Announcement) -> None:
        said = self._delay(host, self.session.cost.announce)
        for other in host.hears:
            if self.net.allows(host.name, other.name) and not self.net.loses(host.name, other.name):
                delay = said + self._latency(host) + self.net.link(host.name, other.name).delay
                hear = partial(self._hear, other, host.config.peer, announcement)
                self.after(delay, partial(self._reach, other, other.life, hear))

    def _hear(self, host: SimulatedPeer, sender: PeerId, announcement: Announcement) -> None:
        if host.peer is None:
            return
        event = host.peer.screen(sender, announcement, self.clock.now)
        if isinstance(event, Reason):
            host.dropped[event] = host.dropped.get(event, 0) + 1
        else:
            self.tell(host, event)

    def _join(self, host: SimulatedPeer) -> None:
        host.peer = new_peer(host.config)
        self.tell(host, on.Started(self.clock.now))

    def _notify(self) -> None:
        for host in self.hosts.values():
            self._answer(host, self.session.cost.chain_call, lambda at: on.ChainRolledBack(at, self.ledger.head()))

    def _observe(self, host: SimulatedPeer, item: Fact) -> None:
        for observe in self.observers:
            observe(self.clock.now, host.name, item)

    def _way(self, host: SimulatedPeer, cid: Cid) -> Link:
        """The best link to who holds a block.  A node looks until it finds one or runs out of time."""
        holders = self.swarm.holders.get(cid, {})
        if host.name in holders or host.name in self.net.down:
            return Link()  # it is at hand, or its own node is not: that is known at once
        ways = [self.net.link(each, host.name) for each in holders if self.net.allows(each, host.name)]
        return min(ways, key=lambda way: (way.loss, way.delay), default=CUT)

    def _forget_unkept(self, host: SimulatedPeer, event: on.ModelScored) -> None:
        """An average that was dropped is nobody's."""
        kept = host.peer and host.peer.status().weights
        if kept and kept.cid != event.weights.cid and event.weights.cid not in self.swarm.holders:
            self.swarm.blocks.pop(event.weights.cid, None)

    def _over(self) -> bool:
        now = self.clock.now
        for host in self.hosts.values():
            if now <= host.joins_at or host.name in self.expected or (host.peer and not host.peer.quiet):
                self._quiet_since = None
                return False
        self._quiet_since = now if self._quiet_since is None else self._quiet_since
        return now - self._quiet_since >= self.session.linger

    # the cost model

    def _jitter(self, host: SimulatedPeer) -> float:
        return host.dice.lognormvariate(0.0, self.session.cost.jitter)

    def _delay(self, host: SimulatedPeer, seconds: float) -> float:
        return seconds and seconds * self._ebb(host) * self._jitter(host)

    def _latency(self, host: SimulatedPeer) -> float:
        return self._ebb(host) * self.session.network.latency * (0.5 + host.dice.random())

    def _ebb(self, host: SimulatedPeer) -> float:
        return self.session.cost.ebb if host.peer and host.peer.saw_all_slices else 1.0

    def _work(self, host: SimulatedPeer, action: do.TrainerAction) -> float:
        cost, epochs = self.session.cost, self.session.model.epochs
        match action:
            case do.TrainSlice():
                seconds = cost.train * host.rows * epochs
            case do.AverageModels():
                seconds = cost.average
            case _:
                seconds = cost.average / 4
        return seconds * (host.speed * self._jitter(host))

    def _wait(self, host: SimulatedPeer, action: do.StoreAction | do.ChainAction) -> float:
        match action:
            case do.FetchModel():
                way, size = self._way(host, action.cid), len(self.swarm.blocks.get(action.cid, b""))
                rate = min(self.session.network.bandwidth, way.bandwidth or float("inf"))
                crossings = self._latency(host) + self._latency(host) + 2 * way.delay
                return (crossings + size / rate) / (1 - way.loss)  # what is lost is sent again
            case do.StoreModel():
                return self._latency(host) + self._delay(host, self.session.cost.store)
            case _:
                return self.session.cost.chain_call


def _call(action: do.StoreAction | do.ChainAction, ports: Ports, at: float) -> on.Event:
    return now(perform(action, ports, at))
