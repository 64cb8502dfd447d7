"""A fourth backend: all that a new backend must have.  It plays a simulated session and shows it on a page."""

import asyncio
from collections.abc import Iterator
from typing import Any

from learnae.backends.base import Finding, Run, RunOptions, Say, refuse_remote_peers
from learnae.backends.in_process import finished
from learnae.backends.sim.backend import record
from learnae.backends.sim.simulation import Simulation
from learnae.runtime.learning import MemoryLearning
from learnae.session.settings import Session
from learnae.web.api.guard import Guard
from learnae.web.api.swarm_app import swarm_app


class MinimalBackend:
    name, live = "minimal", True
    expected_seconds = 1.0

    def __init__(self, session: Session, options: RunOptions, say: Say) -> None:
        self.session, self._options = session, options
        self.description = f"{session.peers} peers in a test"
        self._simulation: Simulation | None = None

    def check(self) -> None:
        refuse_remote_peers(self.name, self._options)

    def page(self, run: Run) -> Any:
        return swarm_app(run.events, Guard(None), verdict=lambda: run.verdict, report=lambda: run.report)

    async def prepare(self, run: Run) -> None:
        observers = [run.directory.observe, *run.observers]
        self._simulation = Simulation(self.session, MemoryLearning(self.session), observers)

    async def run(self, run: Run) -> None:
        assert self._simulation
        work = asyncio.to_thread(record, self._simulation, run.directory, 1)
        await finished(asyncio.ensure_future(work), self._simulation.stop)

    def collect(self, run: Run) -> None:
        pass

    def clean_up(self) -> None:
        self._simulation = None

    @staticmethod
    def findings(peers: int | None) -> Iterator[Finding]:
        return iter(())
