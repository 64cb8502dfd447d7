"""One peer in real time.

    take the events that have arrived -> handle and journal each -> perform their actions

The loop below is the only code that touches the peer, and so guarantees that
- an event is durable in the journal before any of its actions is performed.  Events that arrived together are
  committed together, those without actions with the next one that has some: to lose them with the process is harmless;
- actions are *started* in the order in which the peer requested them.  None waits for another to complete, so a hung
  fetch delays nothing else.  The trainer does one job at a time because the peer requests one at a time;
- gossip is screened when it is handled, not when it arrives: two copies of one announcement may arrive together;
- time never goes back, even across restarts: it counts from the session's start and from the journal's last event.

Training runs in threads.  A store or chain that is down answers with failures, which delays only what depends on it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

from learnae.errors import PortError, Reason
from learnae.ports import Gossip, Journal, Observer, Performed, Stopwatch
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Head
from learnae.protocol.replay import digest, new_peer, replay
from learnae.protocol.row_types import RowsAnnouncement
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, PeerId, Timer
from learnae.records.history import Fact, PeerRestarted
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import SessionClock
from learnae.runtime.dispatch import Ports, announced, finish, perform, screen, submit
from learnae.runtime.journal_signature import journal_signature
from learnae.runtime.session_end import SessionEnd

Heard = tuple[PeerId, on.Announcement]

AT_ONCE = 64  # events that are committed together, at most


@dataclass
class LivePeer:
    """``linger``: s of quiet after which it leaves by itself; by default it stays until it is stopped.

    ``observers`` are called after the journal is written, so a crash may keep a decision from them; the journals have
    all decisions.  ``stopwatches`` learn how long requests took.  ``holds``: whether a block that was read earlier is
    still on the chain; else a branch that is replaced between two polls by one at least as high goes unnoticed.
    ``seen`` is awaited after each poll of the chain, and raises nothing.
    """

    name: str
    config: PeerConfig
    ports: Ports
    gossip: Gossip
    journal: Journal
    clock: SessionClock
    observers: tuple[Observer, ...] = ()
    threads: Executor | None = None
    linger: float = float("inf")
    max_duration: float = float("inf")
    holds: Callable[[Head], Awaitable[bool]] | None = None
    stopwatches: tuple[Stopwatch, ...] = ()
    seen: Callable[[Head], Awaitable[None]] | None = None
    dropped: dict[str, int] = field(default_factory=dict)  # announcements, by reason

    def __post_init__(self) -> None:
        self._going, self._thawed = asyncio.Event(), asyncio.Event()
        self.resume()
        self.thaw()
        self.restore()

    def restore(self) -> None:
        """Restore the peer from its journal.  After a cancelled ``run``, this allows another one."""
        entries = self.journal.replay()
        self.peer = replay(self.config, entries) if entries else new_peer(self.config)
        self._resumed = bool(entries)
        self._last = entries[-1][0].at if entries else 0.0
        self.clock.catch_up(self._last)
        self._arrived: asyncio.Queue[on.Event | Heard] = asyncio.Queue()
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._newest: dict[type[on.Announcement] | Cid, on.Announcement] = {}  # being published, or next to be
        self._running: set[asyncio.Task[None]] = set()
        self._heads = set[Head]()  # of the chain, since the last poll
        self._ended_by: EndedBy | None = None
        self.end = SessionEnd(self.linger, self.max_duration)

    @property
    def now(self) -> float:
        return max(self._last, self.clock())

    @property
    def paused(self) -> bool:
        return not self._going.is_set()

    @property
    def queue(self) -> int:
        """How many events wait to be handled."""
        return self._arrived.qsize()

    async def run(self) -> EndedBy:
        """Run until ``stop``, ``close``, ``linger`` of quiet, or ``max_duration``; return which."""
        async with asyncio.TaskGroup() as self._tasks:
            background = [self._spawn(self._listen()), self._spawn(self._watch_chain())]
            if self._resumed:
                self._observe(PeerRestarted(), self.now)
                self._perform(self.peer.outstanding(), self._last)
            else:
                self._handle([on.Started(self.now)])
            ended_by = await self._loop()
            if ended_by is not EndedBy.STOPPED:
                await self._end_session()
            for timer in self._timers.values():
                timer.cancel()
            for task in [*background, *self._running]:
                task.cancel()
        return ended_by

    def stop(self) -> None:
        """Leave soon.  The peer can come back from its journal."""
        self._leave(EndedBy.STOPPED)

    def close(self) -> None:
        """Leave because the session is over: give up what can no longer be settled."""
        self._leave(EndedBy.CLOSED)

    def pause(self) -> None:
        """Give the trainer no job until ``resume``, so that no slice or attempt ends.  All else continues."""
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def freeze(self) -> None:
        """Handle nothing until ``thaw``; what arrives meanwhile waits."""
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    @property
    def frozen(self) -> bool:
        return not self._thawed.is_set()

    def _leave(self, ended_by: EndedBy) -> None:
        self._ended_by = self._ended_by or ended_by
        self.thaw()
        self._arrived.put_nowait(on.TimerFired(self.now, Timer.WORK))

    async def _loop(self) -> EndedBy:
        while self._ended_by is None:
            ended_by = self.end.check(self.now, self.peer.quiet)
            if ended_by:
                return ended_by
            try:
                async with asyncio.timeout(self.end.due - self.now if self.end.due < float("inf") else None):
                    arrived = [await self._arrived.get()]
            except TimeoutError:
                continue
            await self._thawed.wait()
            arrived += [self._arrived.get_nowait() for _ in range(min(self._arrived.qsize(), AT_ONCE - 1))]
            self._handle(arrived)
        return self._ended_by

    def _handle(self, arrived: Iterable[on.Event | Heard]) -> None:
        handled: list[tuple[on.Event, list[do.Action]]] = []
        for item in arrived:
            event = screen(self.peer, self.ports.key, *item, self.now) if isinstance(item, tuple) else item
            if isinstance(event, Reason):
                self.dropped[event] = self.dropped.get(event, 0) + 1
            else:
                self._last = max(self.now, event.at)  # a timer is never early
                handled.append((event := replace(event, at=self._last), self.peer.handle(event)))
        for number, (event, actions) in enumerate(handled, start=1):
            durable = number == len(handled) and any(actions for _, actions in handled)
            self.journal.append(event, digest(actions), durable=durable)
        for event, actions in handled:
            self._perform(actions, event.at)

    async def _end_session(self) -> None:
        """Handle the last event, and sign the journal that ends with it."""
        event = on.SessionClosed(self.now)
        actions = self.peer.handle(event)
        self._last = event.at
        entry, key = (event, digest(actions)), self.ports.key
        self.journal.append(*entry, await journal_signature(self.name, key, self.config, self.journal, entry))
        self._perform(actions, event.at)

    def _perform(self, actions: list[do.Action], at: float) -> None:
        for action in actions:
            match action:
                case do.RecordDecision(fact):
                    self._observe(fact, at)  # as the journal has it, also after a restart
                case do.SetTimer(timer, delay):
                    self._set_timer(timer, at + delay)
                case do.Announce():
                    self._announce(announced(action, self.ports))
                case _:
                    self._spawn(
                        self._call_trainer(action) if isinstance(action, do.TrainerAction) else self._call_port(action)
                    )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _call_port(self, action: do.StoreAction | do.ChainAction) -> None:
        began = time.monotonic()
        event = await perform(action, self.ports, 0.0)
        block = self.ports.blocks.get(action.cid) if isinstance(action, do.StoreAction) else None
        failed = event.reason if isinstance(event, on.RequestFailed) else None
        self._measure(type(action).__name__, began, failed, len(block or b""))
        if isinstance(event, on.ReceiptsRead):
            self._heads.add(event.head)  # it may be higher than the next polled one
        self._arrived.put_nowait(event)

    async def _call_trainer(self, action: do.TrainerAction) -> None:
        await self._going.wait()
        began = time.monotonic()
        pending = submit(action, self.ports.trainer)
        loop = asyncio.get_running_loop()
        event = await loop.run_in_executor(self.threads, finish, action, pending, 0.0)
        self._measure(type(action).__name__, began, event.reason if isinstance(event, on.RequestFailed) else None)
        self._arrived.put_nowait(event)

    def _announce(self, announcement: on.Announcement) -> None:
        """Publish it, after the one that is being published.

        Only the newest of each kind waits, or a node that hangs would make a queue.  Each row block is a kind.
        """
        kind = announcement.rows.cid if isinstance(announcement, RowsAnnouncement) else type(announcement)
        publishing = kind in self._newest
        self._newest[kind] = announcement
        if not publishing:
            self._spawn(self._publish_newest(kind))

    async def _publish_newest(self, kind: type[on.Announcement] | Cid) -> None:
        published: on.Announcement | None = None
        while published is not self._newest[kind]:
            published = self._newest[kind]
            await self._publish(published)
        del self._newest[kind]

    async def _publish(self, announcement: on.Announcement) -> None:
        began, failed = time.monotonic(), None
        try:
            await self.gossip.publish(announcement)
        except PortError as error:  # announcements are repeated
            failed = error.reason
            self.dropped[failed] = self.dropped.get(failed, 0) + 1
        self._measure("Announce", began, failed)

    async def _listen(self) -> None:
        async for heard in self.gossip.subscribe():
            self._arrived.put_nowait(heard)

    async def _watch_chain(self) -> None:
        """Poll the chain; report that it went back, or that it could not be read and so may have gone back."""
        unread = self._resumed
        while True:
            await self._thawed.wait()
            began, failed = time.monotonic(), None
            before, self._heads = self._heads, set()
            try:
                head = await self.ports.chain.head()
                if unread or any([await self._went_back(old, head) for old in before]):
                    self._arrived.put_nowait(on.ChainRolledBack(0.0, head))
                unread = False
                self._heads.add(head)
            except PortError as error:
                failed, unread = error.reason, True
            self._measure("ReadHead", began, failed)
            if self.seen and not failed:
                await self.seen(head)
            await asyncio.sleep(self.config.chain.poll)

    async def _went_back(self, before: Head, head: Head) -> bool:
        return before != head and not (before.may_precede(head) and (not self.holds or await self.holds(before)))

    # private

    def _set_timer(self, timer: Timer, at: float) -> None:
        if timer in self._timers:
            self._timers[timer].cancel()
        fired = on.TimerFired(at, timer)
        wait = max(0.0, fired.at - self.clock())
        self._timers[timer] = asyncio.get_running_loop().call_later(wait, self._arrived.put_nowait, fired)

    def _measure(self, action: str, began: float, failed: Reason | None, moved: int = 0) -> None:
        performed = Performed(action, time.monotonic() - began, failed, 0 if failed else moved)
        for stopwatch in self.stopwatches:
            stopwatch(self.name, performed)

    def _observe(self, item: Fact, at: float) -> None:
        for observe in self.observers:
            observe(at, self.name, item)
