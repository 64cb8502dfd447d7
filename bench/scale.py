"""How the simulator grows: 20, 100, 300, 1,000 peers x 1,000 rows x 10 slices, 20 neighbours each.

Each size runs in a process of its own, so that its peak memory is its own.  Rows overlap between peers: the shipped set
does not hold a million.

    python bench/scale.py [20 100 300 1000]
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

SIZES = [20, 100, 300, 1000]
SESSION = Path(__file__).with_name("scale.toml")


def one(peers: int) -> dict[str, object]:
    """Run one size here: whole time from the import of torch to the verdict."""
    began = time.perf_counter()
    from learnae.analysis.checks import verdict
    from learnae.backends.sim.simulation import MemoryHistory, Simulation
    from learnae.records.history import History
    from learnae.runtime.torch_learning import TorchLearning
    from learnae.session.session_file import load

    session = load(SESSION, {"peers": peers})
    recording = MemoryHistory()
    simulation = Simulation(session, TorchLearning(session, os.cpu_count() or 1), [recording.observe])
    simulation.run()
    found = verdict(History(tuple(recording.records), tuple(simulation.ledger.export())))
    return {
        "verdict": found["verdict"],
        "seconds": time.perf_counter() - began,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "attempts": found["summary"]["averaging_attempts"],
        "accuracy": found["summary"]["accuracy_test_mean"],
    }


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(int(sys.argv[2]))))
        return
    print(f"{'peers':>6} {'seconds':>8} {'ms/peer':>8} {'MiB':>7} {'attempts/peer':>14} {'test':>7}  verdict")
    for peers in map(int, sys.argv[1:] or SIZES):
        child = subprocess.run(
            [sys.executable, __file__, "--one", str(peers)], capture_output=True, text=True, check=True
        )
        found = json.loads(child.stdout)
        per_peer = 1000 * found["seconds"] / peers
        print(
            f"{peers:6d} {found['seconds']:8.1f} {per_peer:8.0f} {found['mebibytes']:7.0f} "
            f"{found['attempts'] / peers:14.1f} {found['accuracy']:7.4f}  {found['verdict']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
