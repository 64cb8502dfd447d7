"""The embedded swarm: how long `learnae swarm` takes from the command to the prompt, and what its parts take.

Each run is a process of its own, imports and report included.  Then one more session in this process, to look inside:
how many jobs the pool computes at once, how long a job waits for others, and what the EVM takes.

    python bench/embedded.py [--runs 3] [--peers 20]
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from learnae.backends.embedded.swarm import EmbeddedSwarm, local_evm
from learnae.backends.sim.simulation import MemoryHistory
from learnae.learn.batching import JobFuture, Pool
from learnae.learn.datasets.dataset import Dataset
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.records.history import SWARM, History
from learnae.records.outcome import BackendName
from learnae.resources import session_files
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.torch_learning import TorchLearning
from learnae.runtime.wallets import identities, public_ids, wallets
from learnae.session.session_file import load

SESSION = session_files()["paper"]


def command(peers: int, seed: int) -> dict[str, float]:
    """Seconds from the start of the command; the first payment in session seconds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        wanted = ["swarm", str(SESSION), "--backend", "embedded", "--peers", str(peers), "--seed", str(seed)]
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "learnae", *wanted, "--out", str(out), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout
            page = next(line.split()[-1] for line in process.stdout if line.startswith("Live page: "))
            with urllib.request.urlopen(f"{page}v1/page", timeout=60) as events:
                next(line for line in events if line.startswith(b"data:"))
                shown = time.perf_counter() - began
            with urllib.request.urlopen(f"{page}v1/events", timeout=60) as events:
                next(line for line in events if line.startswith(b"data:"))
                first = time.perf_counter() - began
            process.stdout.read()
        wall = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"seed {seed}: exit code {process.returncode}")
        lines = [json.loads(line) for line in (out / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    paid = next(line["t"] for line in lines if line["kind"] == "DebtChanged" and line["state"] == "final")
    return {"page": shown, "first event": first, "first payment": paid, "session": lines[-1]["t"], "wall": wall}


class Counting(Pool):
    """Remembers the jobs of each run and how long they took."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.runs: list[tuple[str, int, float]] = []

    def _run_batches(self, batches: Sequence[list[JobFuture]], table: Dataset) -> None:
        began = time.perf_counter()
        super()._run_batches(batches, table)
        job = batches[0][0].job if batches else None
        if job is not None:
            kind = f"{type(job).__name__} on {len(job.rows):,} rows"
            self.runs.append((kind, sum(map(len, batches)), time.perf_counter() - began))


def inside(peers: int, seed: int) -> None:
    session = load(SESSION, {"peers": peers, "seed": seed})
    learning = TorchLearning(session, os.cpu_count() or 1)
    learning.pool = pool = Counting(learning.pool.threads)
    own, recording = wallets(session), MemoryHistory()
    keys = identities(session)
    setup = MemorySession(session, learning, public_ids(keys, own))
    recording.observe(0.0, SWARM, setup.began(BackendName.EMBEDDED))
    swarm = EmbeddedSwarm(setup, own, keys, [recording.observe], local_evm(session, own))
    began = time.process_time()
    with closing(swarm.evm):
        asyncio.run(swarm.run())
    history = History(tuple(recording.records))
    final = sum(fact.state is DebtState.FINAL for _, fact in history.facts(DebtChanged))
    print(f"session {history.seconds:.1f} s, {time.process_time() - began:.1f} s of processor time here and")
    print(f"{swarm.evm.seconds:.1f} s in the EVM's process, for {peers} deployments and {final} payments")
    for kind in sorted({kind for kind, _, _ in pool.runs}):
        runs = [(jobs, seconds) for found, jobs, seconds in pool.runs if found == kind]
        sizes = [jobs for jobs, _ in runs]
        print(
            f"{kind:<24} {sum(sizes):4} jobs in {len(runs):3} runs: mean {statistics.mean(sizes):.1f} at once, "
            f"most {max(sizes)}; {sum(seconds for _, seconds in runs):.2f} s, longest {max(s for _, s in runs):.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="processes to time (default 3)")
    parser.add_argument("--peers", type=int, default=20)
    wanted = parser.parse_args()
    found = []
    for seed in range(1, wanted.runs + 1):
        load_before = os.getloadavg()[0]
        found.append(command(wanted.peers, seed))
        parts = "  ".join(f"{name} {seconds:.1f} s" for name, seconds in found[-1].items())
        print(f"seed {seed}, load {load_before:.1f} before: {parts}", flush=True)
    for name in found[0]:
        values = [each[name] for each in found]
        print(f"{name:<14} min {min(values):5.1f} s  median {statistics.median(values):5.1f} s")
    inside(wanted.peers, 1)


if __name__ == "__main__":
    main()
