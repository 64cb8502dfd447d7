"""What collaboration gains: a swarm against the same peers alone, by set of rows and partition, over seeds.

Test accuracy, mean over peers; then over seeds its mean, and the band of the gain.  "own" is accuracy on rows like a
peer's own, where those are not everybody's.

    python bench/gain.py [--seeds 5]
"""

import argparse
import os
import statistics
from typing import Any

from learnae.analysis.checks import verdict
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.learn.datasets.sources import load_dataset as load_rows
from learnae.records.history import History
from learnae.resources import session_files
from learnae.runs.baselines import run_baselines
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load, parse, resolved

FLIGHTS = {"source": "flights", "rows": 1000, "validation_rows": 500, "test_rows": 20_000}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "shipped set, iid, 10,000 rows a peer": ("paper", {}),
    "shipped set, iid, 1,000 rows a peer": ("alone-against-together", {}),
    "shipped set, by mass, 4,000 rows a peer": ("by-mass", {}),
    "flights, iid, 1,000 rows a peer": ("alone-against-together", {"data": FLIGHTS}),
    "flights, by carrier, 1,000 rows a peer": (
        "alone-against-together",
        {"peers": 10, "data": FLIGHTS | {"partition": "by-column", "column": "carrier"}},
    ),
}


def one(example: str, changes: dict[str, Any], seed: int, tables: dict[Any, Any]) -> dict[str, dict[str, float]]:
    """Scores by baseline, the swarm's among them."""
    session = parse(resolved(load(session_files()[example])) | changes | {"seed": seed, "evaluation_peers": 0})
    key = (session.data.source, session.data.column)
    if key not in tables:
        tables[key] = load_rows(session.data)
    recording = MemoryHistory()
    learning = TorchLearning(session, os.cpu_count() or 1, table=tables[key])
    simulation = Simulation(session, learning, [recording.observe])
    simulation.run()
    found = verdict(History(tuple(recording.records), tuple(simulation.ledger.export())))
    if found["verdict"] != "valid":
        raise SystemExit(f"{example}, seed {seed}: verdict {found['verdict']}")
    return run_baselines(session, learning, found["summary"], lambda what: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="sessions of each kind (default 5)")
    seeds = parser.parse_args().seeds
    tables: dict[Any, Any] = {}
    print("| rows | alone | swarm | gain, points (band) | always-average | pooled | own: alone | own: swarm |")
    print("|---|---|---|---|---|---|---|---|")
    for title, (example, changes) in CASES.items():
        runs = [one(example, changes, seed, tables) for seed in range(1, seeds + 1)]
        gains = [100 * (run["swarm"]["mean"] - run["alone"]["mean"]) for run in runs]
        cells = [_mean(runs, name, "mean") for name in ("alone", "swarm", "always-average", "pooled")]
        cells.insert(2, f"{statistics.mean(gains):+.2f} ({min(gains):+.2f} to {max(gains):+.2f})")
        own = [_mean(runs, name, "own") for name in ("alone", "swarm")]
        print(f"| {title} | {' | '.join(cells + own)} |", flush=True)


def _mean(runs: list[dict[str, dict[str, float]]], name: str, key: str) -> str:
    values = [run[name].get(key) for run in runs]
    known = [value for value in values if value is not None]
    return f"{statistics.mean(known):.4f}" if known else "-"


if __name__ == "__main__":
    main()
