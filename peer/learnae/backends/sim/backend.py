"""The simulator as a backend: virtual time, one thread, no page."""

import asyncio
import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.base import Finding, Run, RunOptions, Say, refuse_external_chain, refuse_remote_peers
from learnae.backends.in_process import LoadLearning, begin, finished, thread_count, torch_learning
from learnae.errors import InputError
from learnae.records.outcome import BackendName
from learnae.session.sensor_rules import members_text
from learnae.session.settings import Session

if TYPE_CHECKING:
    from learnae.backends.sim.simulation import Simulation
    from learnae.runtime.learning import Learning
    from learnae.runtime.torch_learning import TorchLearning

LARGE = 100  # peers


class SimBackend:
    name, live = BackendName.SIM, False

    def __init__(self, session: Session, options: RunOptions, say: Say, load: LoadLearning = torch_learning) -> None:
        self.session, self._options, self._say, self._load = session, options, say, load
        self._learning: Learning | None = None

    @property
    def description(self) -> str:
        return f"{members_text(self.session)} in the simulator"

    @property
    def expected_seconds(self) -> float:
        return 8 + (0.6 if self._options.baselines else 0.35) * self.session.peers

    def check(self) -> None:
        refuse_external_chain(self.name)
        refuse_remote_peers(self.name, self._options)
        if self._options.keep:
            raise InputError("--keep: the simulator has no page: leave it out, or use --backend embedded")

    def page(self, run: Run) -> None:
        return None

    async def prepare(self, run: Run) -> None:
        self._learning = await asyncio.to_thread(self._load, self.session, thread_count(self._options), "")
        if self._learning.notice:
            self._say(f"Notice: {self._learning.notice}")

    async def run(self, run: Run) -> None:
        """In a thread of its own, so that progress is printed and Ctrl-C is noticed meanwhile."""
        from learnae.backends.sim.simulation import Simulation

        assert self._learning
        observers = [run.directory.observe, *run.observers]
        simulation = await asyncio.to_thread(Simulation, self.session, self._learning, observers)
        threads, notice = thread_count(self._options), self._learning.notice
        work = asyncio.to_thread(record, simulation, run.directory, threads, notice)
        await finished(asyncio.ensure_future(work), simulation.stop)
        del simulation
        await asyncio.to_thread(_free, self.session)

    def collect(self, run: Run) -> None:
        pass

    def clean_up(self) -> None:
        pass

    @staticmethod
    def findings(peers: int | None) -> Iterator[Finding]:
        return iter(())


def record(simulation: "Simulation", directory: RunDirectory, threads: int, notice: str | None = None) -> str:
    """Run a simulation that reports to ``directory``; what ended it.  However it ends, the directory is readable."""
    begin(simulation.session, directory, threads, notice)
    try:
        return simulation.run()
    finally:
        journals = {
            name: (host.config, host.journal.entries, None) for name, host in simulation.simulator.hosts.items()
        }
        directory.end(simulation.ledger.export(), journals)
        simulation.setup.swarm.blocks.clear()  # of large models, before Python finds that nobody uses the simulation


def simulate(session: Session, learning: "TorchLearning", directory: RunDirectory) -> str:
    """Run a whole session, written to ``directory``; what ended it."""
    from learnae.backends.sim.simulation import Simulation

    simulation = Simulation(session, learning, [directory.observe])
    ended_by = record(simulation, directory, learning.pool.threads, learning.notice)
    del simulation
    _free(session)
    return ended_by


def _free(session: Session) -> None:
    """Free a simulation that is over, whose objects refer to each other, before its history takes more memory."""
    if session.peers > LARGE:
        gc.collect()
