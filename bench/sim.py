"""What batching brings: 20 peers x 10,000 rows x 20 passes in the simulator, history and checks on, as one ratio.

Both arms run the same session with the same seeds in turn, in one process.  The slow arm is the same pool with batches
of one job, with whichever thread count is best for it.  Wall time excludes loading the rows, which both arms share.

    python bench/sim.py [--seeds 3]
"""

import argparse
import os
import statistics
import time
from pathlib import Path

from learnae.analysis.checks import verdict
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.sources import load_dataset as load_rows
from learnae.records.history import History
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load
from learnae.session.settings import Session

SESSION = Path(__file__).with_name("sim.toml")


def arm(session: Session, table: Dataset, threads: int, batch: int) -> tuple[float, float]:
    """Wall seconds, and mean test accuracy."""
    began = time.perf_counter()
    recording = MemoryHistory()
    simulation = Simulation(session, TorchLearning(session, threads, batch, table), [recording.observe])
    simulation.run()
    found = verdict(History(tuple(recording.records), tuple(simulation.ledger.export())))
    seconds = time.perf_counter() - began
    if found["verdict"] != "valid":
        raise SystemExit(f"seed {session.seed}: verdict {found['verdict']}: {found['checks']}")
    return seconds, found["summary"]["accuracy_test_mean"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each arm (default 3)")
    seeds = parser.parse_args().seeds
    cores = os.cpu_count() or 1
    table = load_rows(load(SESSION).data)
    arms = {"batched": (cores, 0), **{f"one by one, {threads} threads": (threads, 1) for threads in (1, cores)}}
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    accuracy: dict[str, list[float]] = {name: [] for name in arms}
    for seed in range(1, seeds + 1):
        for name, (threads, batch) in arms.items():
            took, reached = arm(load(SESSION, {"seed": seed}), table, threads, batch)
            seconds[name].append(took)
            accuracy[name].append(reached)
            print(f"seed {seed}  {name:<24} {took:6.2f} s  test accuracy {reached:.4f}", flush=True)
    print(f"{'':<24} {'min':>7} {'median':>7}   mean test accuracy")
    for name in arms:
        low, middle = min(seconds[name]), statistics.median(seconds[name])
        print(f"{name:<24} {low:7.2f} {middle:7.2f}   {statistics.mean(accuracy[name]):.4f}")
    slow = min((name for name in arms if name != "batched"), key=lambda name: statistics.median(seconds[name]))
    ratios = [one / all for one, all in zip(seconds[slow], seconds["batched"], strict=True)]
    apart = statistics.mean(accuracy["batched"]) - statistics.mean(accuracy[slow])
    print(f"ratio to '{slow}', pair by pair: min {min(ratios):.2f}, median {statistics.median(ratios):.2f}")
    print(f"mean test accuracy, batched minus one by one: {100 * apart:+.2f} points")


if __name__ == "__main__":
    main()
