"""The simulator: virtual time and seeded randomness.  The same seed gives the same session, event for event.

Work takes the durations of the session's cost model.  Results are computed when the clock reaches the end of a job, so
that all jobs under way by then run as one batch in the pool.  What is due at the same moment happens in the order in
which it was scheduled.
"""

import heapq
from collections.abc import Callable, Sequence
from functools import partial

from learnae.adapters.memory import now
from learnae.adapters.memory_chain import MemoryChain
from learnae.adapters.memory_network import MemorySwarm
from learnae.errors import DriverError, Reason
from learnae.ports import Observer
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.events import Announcement
from learnae.protocol.policies import ForgeModel
from learnae.protocol.replay import new_peer, replay
from learnae.protocol.row_types import PackRows
from learnae.protocol.types import PeerId, Timer
from learnae.records.history import Fact, PeerCrashed, PeerRestarted
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import VirtualClock
from learnae.runtime.dispatch import Ports, announced, finish, perform, screen, submit
from learnae.runtime.session_end import SessionEnd, settled
from learnae.runtime.simulated_peer import SimulatedPeer
from learnae.session.faults import CUT
from learnae.session.settings import Session

TICK = 0.5  # s between two checks whether the session is over


class Simulator:
    """Runs all peers of a session.  ``at`` schedules anything else, such as the faults below."""

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
        self.end = SessionEnd(session.linger, session.max_duration)
        self.crash_points: set[tuple[str, int, int]] = set()  # (name, events handled, actions performed of the last)
        self._journals = journals
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._busy = hosts[0]  # the last peer that was seen not to be at rest
        self.feeding: Callable[[], bool] = lambda: False  # whether readings are on their way
        self.away: set[str] = set()  # peers that are down or frozen, and will be back
        for host in hosts:
            self.at(host.joins_at, partial(self._join, host))

    # time

    def at(self, time: float, what: Callable[[], None]) -> None:
        self._scheduled += 1
        now = self.clock.now
        heapq.heappush(self._heap, (time if time > now else now, self._scheduled, what))

    def after(self, delay: float, what: Callable[[], None]) -> None:
        self.at(self.clock.now + delay, what)

    def run(self, tick: Callable[[float], None] = lambda now: None) -> EndedBy:
        """Run to the end of the session; what ended it.  ``tick`` is called every ``TICK`` seconds."""
        next_tick, heap = 0.0, self._heap
        while heap:
            time, _, what = heapq.heappop(heap)
            while next_tick <= time:
                self.clock.now = next_tick
                tick(next_tick)
                ended_by = self.end.check(next_tick, self._quiet, self._settled())
                if ended_by:
                    return ended_by
                next_tick += TICK
            self.clock.now = time
            what()
        return EndedBy.QUIET

    def close(self) -> None:
        for host in self.hosts.values():
            self.deliver(host, on.SessionClosed(self.clock.now))

    # faults

    def crash(self, name: str) -> None:
        """Kill a peer and record it."""
        self.kill(name)
        self._observe(self.hosts[name], PeerCrashed())

    def kill(self, name: str) -> None:
        host = self.hosts[name]
        host.peer, host.frozen = None, None
        host.incarnation += 1
        host.timers = {}
        self.net.down.add(name)

    def start(self, name: str, unperformed: Sequence[do.Action] = ()) -> None:
        """Bring a killed peer back from its journal.

        ``unperformed``: actions that the crash prevented.  Their decisions are in the journal, so observers need them.
        """
        if not self._journals:
            raise DriverError(f"{name} cannot come back: no journals are kept in this session")
        host = self.hosts[name]
        self.net.down.discard(name)
        self._observe(host, PeerRestarted())
        host.peer = replay(host.config, host.journal.replay())
        decided = [action for action in unperformed if isinstance(action, do.RecordDecision)]
        for action in (*decided, *host.peer.outstanding()):
            self._perform(host, action)
        self.deliver(host, on.ChainRolledBack(self.clock.now, self.ledger.head()))

    def freeze(self, name: str) -> None:
        """Suspend a peer; what reaches it meanwhile waits."""
        self.hosts[name].frozen = []

    def thaw(self, name: str) -> None:
        host = self.hosts[name]
        waiting, host.frozen = host.frozen or [], None
        for what in waiting:
            what()

    def roll_back(self, blocks: int) -> None:
        self.ledger.roll_back(blocks)
        self._report_rollback()

    def replace_chain(self) -> None:
        self.ledger.start_anew()
        self._report_rollback()

    # private

    def deliver(self, host: SimulatedPeer, event: on.Event) -> None:
        """Deliver one event to one peer: handle it, journal it, then perform its actions."""
        if host.peer is None:
            return
        actions = host.peer.handle(event)
        host.handled += 1
        if self._journals:
            host.journal.append_actions(event, actions)
        incarnation = host.incarnation
        for done, action in enumerate(actions):
            if self.crash_points and self._crashes(host, done, actions):
                return
            self._perform(host, action)
        if self.crash_points:
            self._crashes(host, len(actions), actions)
        if host.incarnation == incarnation and isinstance(event, on.ModelScored):
            self._drop_rejected_average(host, event)

    def _crashes(self, host: SimulatedPeer, done: int, actions: Sequence[do.Action]) -> bool:
        """Crash here if a test asks for it, and come back at once."""
        if (host.name, host.handled, done) not in self.crash_points:
            return False
        self.crash_points.remove((host.name, host.handled, done))
        self.crash(host.name)
        self.start(host.name, actions[done:])
        return True

    def _perform(self, host: SimulatedPeer, action: do.Action) -> None:
        match action:
            case do.RecordDecision(fact):
                self._observe(host, fact)
            case do.SetTimer():
                self._set_timer(host, action)
            case do.Announce():
                self._announce(host, announced(action, host.ports))
            case do.ScoreModel() | do.TrainSlice() | do.AverageModels() | ForgeModel() | PackRows():
                pending = submit(action, host.ports.trainer)
                self._schedule_answer(host, host.costs.work(action), partial(finish, action, pending))
            case do.FetchModel() if self.swarm.best_link(action.stored_cid, host.name) == CUT:
                failed = partial(on.RequestFailed, request=action.request, reason=Reason.TIMEOUT)
                self._schedule_answer(host, self.session.network.fetch_timeout, failed)
            case _:
                self._schedule_answer(host, self._port_time(host, action), partial(_call_port, action, host.ports))

    def _schedule_answer(self, host: SimulatedPeer, delay: float, make: Callable[[float], on.Event]) -> None:
        self._later(host, delay, self._answer, make)

    def _answer(self, host: SimulatedPeer, make: Callable[[float], on.Event]) -> None:
        self.deliver(host, make(self.clock.now))

    def _set_timer(self, host: SimulatedPeer, action: do.SetTimer) -> None:
        self._scheduled += 1
        host.timers[action.timer] = self._scheduled
        self._later(host, action.delay, self._fire, action.timer, self._scheduled)

    def _fire(self, host: SimulatedPeer, timer: Timer, number: int) -> None:
        if host.timers.get(timer) == number:
            self.deliver(host, on.TimerFired(self.clock.now, timer))

    def _later(self, host: SimulatedPeer, delay: float, what: Callable[..., None], *arguments: object) -> None:
        """Call ``what`` after a delay, unless the peer crashes before; a frozen peer delays it until it is thawed."""
        self.at(self.clock.now + delay, partial(self._if_alive, host, host.incarnation, what, *arguments))

    def _if_alive(self, host: SimulatedPeer, incarnation: int, what: Callable[..., None], *arguments: object) -> None:
        if host.incarnation != incarnation:
            return
        if host.frozen is None:
            what(host, *arguments)
        else:
            host.frozen.append(partial(self._if_alive, host, incarnation, what, *arguments))

    def _announce(self, host: SimulatedPeer, announcement: Announcement) -> None:
        late, undisturbed = host.late, self.net.undisturbed
        sent = host.costs.delay(self.session.cost.announce, late)
        for other in host.listeners:
            longer = 0.0 if undisturbed else self.net.delay(host.name, other.name)
            if longer is not None:
                delay = sent + host.costs.latency(late) + longer
                self._later(other, delay, self.receive, host.config.peer, announcement)

    def receive(self, host: SimulatedPeer, sender: PeerId, announcement: Announcement) -> None:
        if host.peer is None:
            return
        event = screen(host.peer, host.ports.key, sender, announcement, self.clock.now)
        if isinstance(event, Reason):
            host.dropped[event] = host.dropped.get(event, 0) + 1
        else:
            self.deliver(host, event)

    def _join(self, host: SimulatedPeer) -> None:
        host.peer = new_peer(host.config)
        self.deliver(host, on.Started(self.clock.now))

    def _report_rollback(self) -> None:
        for host in self.hosts.values():
            self._schedule_answer(
                host, self.session.cost.chain_call, lambda at: on.ChainRolledBack(at, self.ledger.head())
            )

    def _observe(self, host: SimulatedPeer, item: Fact) -> None:
        for observe in self.observers:
            observe(self.clock.now, host.name, item)

    def _port_time(self, host: SimulatedPeer, action: do.StoreAction | do.ChainAction) -> float:
        """Seconds until the store or the chain answers."""
        match action:
            case do.FetchModel():
                cid = action.stored_cid
                link = self.swarm.best_link(cid, host.name)
                return host.costs.fetch(link, len(self.swarm.blocks.get(cid, b"")), host.late)
            case do.StoreModel():
                return host.costs.store(host.late)
            case _:
                return self.session.cost.chain_call

    def _drop_rejected_average(self, host: SimulatedPeer, event: on.ModelScored) -> None:
        """Delete the block of an average that the peer did not keep."""
        kept = host.peer and host.peer.weights
        if kept and kept.cid != event.weights.cid:
            self.swarm.drop_unread(event.weights.cid, host.name)

    def _settled(self) -> bool:
        """Whether all have joined and are up, and nothing can happen any more."""
        hosts = self.hosts.values()
        self._busy = next((host for host in (self._busy, *hosts) if not host.at_rest), self._busy)
        if not self._busy.at_rest or self.feeding():
            return False
        rests = {host.name: host.peer.rest() for host in hosts if host.peer}
        return settled((rests[host.name], [rests[other.name] for other in host.listeners]) for host in hosts)

    @property
    def _quiet(self) -> bool:
        """Whether all have joined, none is away, and none has anything left to do."""
        return not self.feeding() and all(
            self.clock.now > host.joins_at and host.name not in self.away and (host.peer is None or host.peer.quiet)
            for host in self.hosts.values()
        )


def _call_port(action: do.StoreAction | do.ChainAction, ports: Ports, at: float) -> on.Event:
    return now(perform(action, ports, at))
