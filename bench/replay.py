"""Executing a run again: how long `learnae audit --replay` takes, compared with the session itself.

Sessions of 20 live peers in one process and their audits take turns, each in a process of its own, imports included.

    python bench/replay.py [--runs 3] [--peers 20]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from learnae.resources import session_files

SESSION = session_files()["paper"]


def timed(*arguments: str) -> tuple[float, float, str]:
    """Seconds of wall time and of processor time of a command, and the last lines that it prints."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "learnae", *arguments], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def pair(peers: int, seed: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = ["--peers", str(peers), "--seed", str(seed), "--out", str(run), "--port", "0"]
        command, command_cpu, _ = timed("swarm", str(SESSION), "--backend", "embedded", *settings)
        replay, replay_cpu, printed = timed("audit", str(run), "--replay")
        print(next(line for line in printed.splitlines() if "executed again" in line))
        models = sum(path.stat().st_size for path in (run / "models").iterdir())
        session = json.loads((run / "history.jsonl").read_text(encoding="utf-8").splitlines()[-1])["t"]
    return {
        "session": session,
        "replay": replay,
        "replay / session": replay / session,
        "processor time of the session's command": command_cpu,
        "processor time of the replay": replay_cpu,
        "wall time of the session's command": command,
        "models, MB": models / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="pairs (default 3)")
    parser.add_argument("--peers", type=int, default=20)
    wanted = parser.parse_args()
    found = []
    for seed in range(1, wanted.runs + 1):
        load = os.getloadavg()[0]
        found.append(pair(wanted.peers, seed))
        print(f"seed {seed}, load {load:.1f}:", "  ".join(f"{name} {each:.2f}" for name, each in found[-1].items()))
    for name in found[0]:
        values = [each[name] for each in found]
        print(f"{name:<42} min {min(values):6.2f}  median {statistics.median(values):6.2f}  max {max(values):6.2f}")


if __name__ == "__main__":
    main()
