"""From the command to the last registered peer: the same session on Kubernetes and on Compose, in turns.

Each arm is a whole `learnae swarm` in a process of its own; the images are built before, and imported into the cluster.
Counted are the imports, rendering, pods that come up, the start of the session, and the claims until the last one.

    KUBECONFIG=... python bench/registered.py [--runs 3] [--peers 4] [--within "tools/kubernetes/cluster.sh run"]

`--within` precedes the command on Kubernetes, for a cluster that only another network namespace reaches.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION

from learnae.adapters.run_directory import RunDirectory
from learnae.backends import live_run
from learnae.protocol.decisions import IdentityChanged, IdentityState
from learnae.runtime.roster_file import Roster

SESSION = """
linger = 2.0
[data]
rows = 200
validation_rows = 100
test_rows = 100
[model]
hidden = [4]
[work]
slices = 2
patience = 2
[pace]
slice = 1.0
attempt = 1.0
"""
ARMS = ("compose", "kubernetes")


def measure(folder: Path, arm: str, peers: int, within: str) -> dict[str, float]:
    """Seconds from the command to second 0, when all pods are ready, to the last registration, and to the end."""
    run, session = folder / arm, folder / "session.toml"
    session.write_text(SESSION, encoding="utf-8")
    command = [*shlex.split(within if arm == "kubernetes" else ""), sys.executable, "-m", "learnae", "swarm"]
    command += [str(session), "--backend", arm, "--peers", str(peers), "--port", "0", "--out", str(run)]
    began = time.time()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} failed:\n{done.stdout}{done.stderr}")
    zero = Roster.read(run / live_run.ROSTER).zero.unix - began
    registered = {
        record.peer: record.t
        for record in reversed(RunDirectory(run).read().of(IdentityChanged))
        if isinstance(record.fact, IdentityChanged) and record.fact.identity is IdentityState.REGISTERED
    }
    if len(registered) < peers:
        raise SystemExit(f"{arm}: only {len(registered)} of {peers} peers were registered")
    return {
        "second 0": zero,
        "last peer registered": zero + max(registered.values()),
        "whole command": time.time() - began,
    }


def main(runs: int, peers: int, within: str) -> None:
    if not Path(KUBE_CONFIG_DEFAULT_LOCATION).expanduser().is_file():
        print("bench/registered.py: there is no kubeconfig, so nothing is measured")
        return
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for number in range(runs):
        for arm in ARMS[:: 1 if number % 2 else -1]:
            with tempfile.TemporaryDirectory() as folder:
                found[arm].append(measure(Path(folder), arm, peers, within))
            print(arm, *(f"{what} {seconds:.1f} s" for what, seconds in found[arm][-1].items()), sep="  ", flush=True)
    print(f"{runs} runs of each, {peers} peers" + " " * 20 + "min   median      max")
    for what in found["compose"][0]:
        arms = {arm: [each[what] for each in found[arm]] for arm in ARMS}
        ratios = [late / early for early, late in zip(arms["compose"], arms["kubernetes"], strict=True)]
        for name, values in (*arms.items(), ("kubernetes / compose", ratios)):
            print(f"{what:24}{name:24}{min(values):8.2f} {statistics.median(values):8.2f} {max(values):8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", type=int, default=4)
    parser.add_argument("--within", default="")
    wanted = parser.parse_args()
    main(wanted.runs, wanted.peers, wanted.within)
