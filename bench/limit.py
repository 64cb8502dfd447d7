"""How far the simulator is from what this machine can do: the session of bench/sim.py beside its matrix products alone.

The products have the shapes of the session's batches and do as many training steps and scored rows: forward and
backward of the network, the optimizer, the selection of rows and the scores, in batches of all peers.  There is no
protocol, no block, no history and no check.  Both run in turn in one process; times are processor seconds.

    python bench/limit.py [--peers 20] [--rounds 3]
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch

from learnae.analysis.checks import verdict
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.learn.batched_optimizers import optimizer_settings
from learnae.learn.batching import Job, ScoreJob, TrainJob, run_jobs
from learnae.learn.compute import Compute
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.partition import load_partitioned
from learnae.learn.model import create_network
from learnae.learn.network import MAX_JOBS
from learnae.protocol.decisions import Averaged
from learnae.records.history import Evaluated, History
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load
from learnae.session.settings import Session

SESSION = Path(__file__).with_name("sim.toml")


def simulated(session: Session, table: Dataset) -> tuple[float, float, int, int]:
    """Processor and wall seconds; attempts and tested models, which the products repeat."""
    recording = MemoryHistory()
    simulation = Simulation(session, TorchLearning(session, os.cpu_count() or 1, table=table), [recording.observe])
    wall, began = time.perf_counter(), time.process_time()
    simulation.run()
    history = History(tuple(recording.records), tuple(simulation.ledger.export()))
    found = verdict(history)["verdict"]
    seconds = time.process_time() - began, time.perf_counter() - wall
    if found != "valid":
        raise SystemExit(f"verdict {found}")
    return *seconds, len(history.of(Averaged)), len(history.of(Evaluated))


def products(session: Session, table: Dataset, attempts: int, tested: int) -> tuple[float, float]:
    """Processor and wall seconds of the same amount of arithmetic."""
    table, split = load_partitioned(session, table)
    network, settings = create_network(session.model, *table.shape), optimizer_settings(session.model)
    weights = network.random_weights(torch.Generator().manual_seed(1))
    visits, peers, on = session.work.slices * session.work.passes, split.peers, Compute()
    size = len(peers[0].train) // session.work.slices
    training = [
        TrainJob(network, weights, table, peer.validation, peer.train[:size], settings, seed)
        for seed, peer in enumerate(peers)
    ]
    scoring = [ScoreJob(network, weights, table, peer.validation) for peer in peers]
    testing = [ScoreJob(network, weights, table, split.test)]
    batches = [batch for _ in range(visits) for batch in _batches(training)]
    batches += _batches(scoring * (attempts // len(scoring))) + _batches(testing * tested)
    wall, began = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        list(threads.map(lambda batch: run_jobs(batch, table, on), batches))
    return time.process_time() - began, time.perf_counter() - wall


def _batches(jobs: Sequence[Job]) -> list[Sequence[Job]]:
    return [jobs[start : start + MAX_JOBS] for start in range(0, len(jobs), MAX_JOBS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ratios = []
    table = load_partitioned(load(SESSION))[0]
    for seed in range(1, arguments.rounds + 1):
        session = load(SESSION, {"seed": seed, "peers": arguments.peers})
        session = replace(session, data=replace(session.data, overlap=arguments.peers > 20))  # rows for no more
        whole, whole_wall, attempts, tested = simulated(session, table)
        alone, alone_wall = products(session, table, attempts, tested)
        ratios.append(whole / alone)
        print(
            f"seed {seed}: session {whole:.2f} s of processor ({whole_wall:.2f} s), its products alone {alone:.2f} s "
            f"({alone_wall:.2f} s), ratio {whole / alone:.2f}, {attempts} attempts, {tested} tested models",
            flush=True,
        )
    print(f"ratio: min {min(ratios):.2f}, median {statistics.median(ratios):.2f}, max {max(ratios):.2f}")


if __name__ == "__main__":
    main()
