"""A simulated session written down: all that a run directory holds (DESIGN section 8) but for the judgement."""

from learnae.adapters.run_directory import RunDirectory, sha256_of
from learnae.backends.sim.simulation import Simulation
from learnae.learn.datasets.sources import source_file
from learnae.ports import Observer
from learnae.records.outcome import EndedBy
from learnae.runtime.memory_session import Tick
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import to_toml
from learnae.session.settings import Session


def begin(session: Session, learning: TorchLearning, run: RunDirectory) -> None:
    run.begin(to_toml(session), sha256_of(source_file(session.data)), learning.pool.threads)


def record(
    session: Session,
    learning: TorchLearning,
    run: RunDirectory,
    tick: Tick,
    *observers: Observer,
) -> EndedBy:
    """Run it; what ended it.  However it ends, the directory is readable."""
    simulation = Simulation(session, learning, [run.observe, *observers])
    begin(session, learning, run)
    try:
        return simulation.run(tick)
    finally:
        journals = {name: host.journal.entries for name, host in simulation.simulator.hosts.items()}
        run.end(simulation.ledger.export(), journals)
