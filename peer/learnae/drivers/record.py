"""A simulated session written down: all that a run directory holds (DESIGN section 8) but for the judgement."""

from learnae.adapters.rundir import RunDirectory, sha256_of
from learnae.config import Session, to_toml
from learnae.core.codec import encode, to_json
from learnae.drivers.composition import Tick
from learnae.drivers.learning import TorchLearning
from learnae.drivers.sim import Host
from learnae.drivers.simulate import Simulation
from learnae.learn.data import path_of
from learnae.ports import Observer


def record(
    session: Session,
    learning: TorchLearning,
    run: RunDirectory,
    tick: Tick,
    *observers: Observer,
) -> str:
    """Run it; what ended it.  However it ends, the directory is readable."""
    simulation = Simulation(session, learning, [run.observe, *observers])
    run.begin(to_toml(session), sha256_of(path_of(session.data)), learning.pool.threads)
    try:
        return simulation.run(tick)
    finally:
        journals = {name: _journal(host) for name, host in simulation.simulator.hosts.items() if host.journal.entries}
        run.end(simulation.ledger.export(), journals)


def _journal(host: Host) -> list[str]:
    return [to_json({"digest": digest, **encode(event)}) for event, digest in host.journal.entries]
