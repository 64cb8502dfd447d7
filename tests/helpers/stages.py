"""A session on memory ports and a real clock, for tests of the live driver and of what stands on it."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from learnae.adapters.memory_network import MemoryGossip
from learnae.adapters.sqlite_journal import SqliteJournal
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.records.history import SWARM, Fact, History, SessionEnded
from learnae.records.outcome import BackendName, EndedBy
from learnae.runtime.clocks import Moment, SessionClock
from learnae.runtime.learning import MemoryLearning
from learnae.runtime.live import LivePeer
from learnae.session.session_file import parse

SETTINGS = {
    "peers": 3,
    "linger": 0.3,
    "max_duration": 600.0,
    "work": {"slices": 3, "patience": 12, "idle_after": 0.4},
    "pace": {"slice": 0.03, "attempt": 0.03},
    "chain": {"block_time": 0.05, "poll": 0.03, "resend_after": 2.0},
    "network": {"announce_every": 0.3},
    "start": {"timeout": 60.0},  # by then everybody is registered
}


@dataclass
class Stage:
    """A session put together by the simulator's setup and played live.  Journals are files."""

    folder: Path
    settings: dict[str, object]
    journals: ExitStack
    waiting: list[tuple[Callable[[], bool], asyncio.Event]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = parse(SETTINGS | self.settings)
        self.recording = MemoryHistory()
        self.simulation = Simulation(self.session, MemoryLearning(self.session), [])
        self.clock = SessionClock(Moment.now())
        self.simulation.ledger.clock = self.clock
        self.room: dict[str, MemoryGossip] = {}

    def peer(self, name: str) -> LivePeer:
        host = self.simulation.simulator.hosts[name]
        gossip = MemoryGossip(self.simulation.swarm.net, self.room, name, host.config.peer)
        journal = SqliteJournal(self.folder / f"{name}.sqlite", host.config)
        self.journals.callback(journal.close)
        observers = (self.recording.observe, self._look)
        return LivePeer(
            name,
            host.config,
            host.ports,
            gossip,
            journal,
            self.clock,
            observers,
            linger=self.session.linger,
            max_duration=self.session.max_duration,
        )

    def peers(self) -> list[LivePeer]:
        return [self.peer(name) for name in self.simulation.simulator.hosts]

    @property
    def history(self) -> History:
        return History(tuple(self.recording.records), tuple(self.simulation.ledger.export()))

    async def when(self, condition: Callable[[], bool]) -> None:
        """Looked at now, and whenever a peer has decided something."""
        if condition():
            return
        holds = asyncio.Event()
        self.waiting.append((condition, holds))
        await holds.wait()

    def _look(self, now: float, peer: str, item: Fact) -> None:
        for condition, holds in self.waiting:
            if condition():
                holds.set()

    def begin(self) -> None:
        self.recording.observe(0.0, SWARM, self.simulation.setup.began(BackendName.LIVE))

    def end(self, ended_by: EndedBy) -> None:
        self.recording.observe(self.clock(), SWARM, SessionEnded(ended_by))


async def all_of(peers: list[LivePeer]) -> list[str]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(peer.run()) for peer in peers]
    return [task.result() for task in tasks]


async def leave(peer: LivePeer, running: "asyncio.Task[EndedBy]") -> None:
    """Stop a running peer and close its journal, so that another process could continue it."""
    peer.stop()
    assert await running == "stopped"
    assert isinstance(peer.journal, SqliteJournal)
    peer.journal.close()
