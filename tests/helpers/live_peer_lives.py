"""Small live swarms in this process: models are numbers, time and the EVM are real."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.helpers.identities import identity

from learnae.analysis.checks import verdict
from learnae.backends.embedded.swarm import EmbeddedSwarm, local_evm
from learnae.backends.sim.simulation import MemoryHistory
from learnae.records.history import SWARM, Fact, History
from learnae.records.outcome import BackendName
from learnae.runtime.learning import MemoryLearning
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.wallets import public_ids, wallets
from learnae.session.session_file import parse

QUICK: dict[str, Any] = {
    "peers": 4,
    "linger": 0.3,
    "max_duration": 600.0,
    "work": {"slices": 3, "patience": 8, "idle_after": 0.4},
    "pace": {"slice": 0.03, "attempt": 0.03},
    "chain": {"block_time": 0.1, "poll": 0.1},
    "network": {"announce_every": 0.3},
    "start": {"timeout": 60.0},
}


@dataclass
class Live:
    """A session put together, to be run once."""

    settings: dict[str, Any]
    recording: MemoryHistory = field(default_factory=MemoryHistory)

    def __post_init__(self) -> None:
        settings = QUICK | self.settings
        report = settings.pop("report", lambda sentence: None)  # called by the runner of faults
        self.session = parse(settings)
        self.wallets = wallets(self.session)
        learning = MemoryLearning(self.session)
        keys = {name: identity(name) for name in self.wallets}
        self.setup = MemorySession(self.session, learning, public_ids(keys, self.wallets))
        self.swarm = EmbeddedSwarm(
            self.setup,
            self.wallets,
            keys,
            [self.recording.observe, self._look],
            local_evm(self.session, self.wallets),
            report,
        )
        self._when: list[tuple[Callable[[], bool], Callable[[], None]]] = []

    def run(self) -> str:
        self.recording.observe(0.0, SWARM, self.setup.began(BackendName.EMBEDDED))
        with closing(self.swarm.evm):
            return asyncio.run(self.swarm.run())

    def when(self, condition: Callable[[], bool], then: Callable[[], None]) -> None:
        """Do that as soon as somebody has decided something that makes it so."""
        self._when.append((condition, then))

    @cached_property
    def history(self) -> History:
        return History(tuple(self.recording.records), tuple(self.swarm.chain))

    @cached_property
    def verdict(self) -> dict[str, Any]:
        return verdict(self.history)

    def _look(self, now: float, peer: str, item: Fact) -> None:
        for condition, then in self._when:
            if condition():
                then()
                self._when.remove((condition, then))
