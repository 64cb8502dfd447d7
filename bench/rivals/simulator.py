"""LEARNAE's simulator on bench/sim.toml: history and checks on, chain, payments and announcements simulated.

An average is kept only if it is better on a peer's 1,000 validation rows, which the others do not do.  Decentralised.
"""

import os
import sys
from pathlib import Path

from bench.rivals.prepare import session_of
from bench.rivals.work import State, Work, program

from learnae.analysis.checks import verdict
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.learn.datasets.sources import load_dataset
from learnae.learn.model import create_network
from learnae.learn.serialization import decode_block
from learnae.records.history import History
from learnae.runtime.torch_learning import TorchLearning


class Simulator:
    def __init__(self, folder: Path) -> None:
        self.session = session_of(folder)
        self.table = load_dataset(self.session.data)  # the others' rows are in memory, too, when the clock starts

    def train(self, work: Work) -> list[State]:
        recording = MemoryHistory()
        learning = TorchLearning(self.session, os.cpu_count() or 1, table=self.table)
        simulation = Simulation(self.session, learning, [recording.observe])
        simulation.run()
        found = verdict(History(tuple(recording.records), tuple(simulation.ledger.export())))
        if found["verdict"] != "valid":
            raise SystemExit(f"verdict {found['verdict']}: {found['checks']}")
        network = create_network(self.session.model, *self.table.shape)
        blocks = simulation.swarm.blocks
        return [
            network.tensors(decode_block(network, blocks[cid]).weights) for cid in simulation.evaluation.last.values()
        ]


if __name__ == "__main__":
    program(Simulator(Path(sys.argv[1])).train, "learnae")
