"""A simulated session written down: all that a run directory holds (DESIGN section 8) but for the judgement."""

from learnae.adapters.rundir import RunDirectory, sha256_of
from learnae.config import Session, to_toml
from learnae.drivers.composition import Tick
from learnae.drivers.learning import TorchLearning
from learnae.drivers.simulate import Simulation
from learnae.learn.data import path_of
from learnae.ports import Observer


def begin(session: Session, learning: TorchLearning, run: RunDirectory) -> None:
    run.begin(to_toml(session), sha256_of(path_of(session.data)), learning.pool.threads)


def record(
    session: Session,
    learning: TorchLearning,
    run: RunDirectory,
    tick: Tick,
    *observers: Observer,
) -> str:
    """Run it; what ended it.  However it ends, the directory is readable."""
    simulation = Simulation(session, learning, [run.observe, *observers])
    begin(session, learning, run)
    try:
        return simulation.run(tick)
    finally:
        journals = {name: host.journal.entries for name, host in simulation.simulator.hosts.items()}
        run.end(simulation.ledger.export(), journals)
