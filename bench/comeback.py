"""How long a killed peer on containers needs until it works again, with this code and with that of another checkout.

Each arm is a whole `learnae swarm` from its checkout, whose images are built before; the arms take turns.  Of every
killed peer, seconds count from the moment at which its container starts again:

    back    until the first event in its journal after the restart: imports, journal replayed, nodes connected
    work    until the first slice or attempt after that has ended: also the import of torch and this unit of work itself

and the processor seconds of its container until the same moments.  Other work on the machine changes the first far more
than the second.  Processor time needs root.

    python bench/comeback.py [--peers 4] [--runs 1] [--before CHECKOUT]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.processors import counter, read, repeated

from learnae.adapters.run_directory import RunDirectory
from learnae.backends import live_run
from learnae.protocol.decisions import AttemptFailed, Averaged, Trained, TrainingFailed
from learnae.records.history import FaultBegan, FaultEnded, History, PeerRestarted
from learnae.runtime.roster_file import Roster

HERE = Path(__file__).parents[1]
SESSION = """
[data]
rows = 3000
[work]
slices = 20
[pace]
slice = 0.5
attempt = 0.3
[expect]
recovery = 600.0
[[faults]]
kind = "kill"
at = 3
duration = 4
targets = ["p01", "p02"]
"""
EVERY = 0.1  # s between two samples of processor time
Back = dict[str, float]


class Counters:
    """Processor seconds of the peers' containers over time, as Unix seconds and values; a restart begins at 0."""

    def __init__(self) -> None:
        self.samples: dict[str, list[tuple[float, float]]] = {}
        self._peers: dict[str, Path] = {}

    def used(self, peer: str, since: float, until: float) -> float:
        within = [value for at, value in self.samples[peer] if since <= at <= until]
        return sum(max(0.0, later - earlier) for earlier, later in pairwise([0.0, *within]))

    def sample(self, look: int) -> None:
        if look % 20 == 0:
            self._peers |= _containers()
        for peer, file in self._peers.items():
            try:
                self.samples.setdefault(peer, []).append((time.time(), read(file)))
            except OSError:  # it is down
                continue


def _containers() -> dict[str, Path]:
    listing = ["docker", "ps", "--no-trunc", "--filter", "name=-peer-p", "--format", "{{.ID}} {{.Names}}"]
    lines = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name.split("-")[-2]: counter(container) for container, name in map(str.split, lines)}


def comebacks(history: History, zero: float, counters: Counters) -> Iterator[Back]:
    began = {fact.window: fact.targets for _, fact in history.facts(FaultBegan)}
    for ended, fact in history.facts(FaultEnded):
        for peer in began[fact.window]:
            after = [each for each in history.records if each.peer == peer and each.t >= ended.t]
            back = next(each.t for each in after if isinstance(each.fact, PeerRestarted))
            units = Trained | TrainingFailed | Averaged | AttemptFailed
            work = next((each.t for each in after if isinstance(each.fact, units) and each.t >= back), None)
            if work is None:
                raise SystemExit(f"{peer} had nothing to do after its restart: raise the number of slices")
            yield {
                "back, s": back - ended.t,
                "work, s": work - ended.t,
                "back, processor s": counters.used(peer, zero + ended.t, zero + back),
                "work, processor s": counters.used(peer, zero + ended.t, zero + work),
            }


def measure(checkout: Path, peers: int) -> list[Back]:
    with tempfile.TemporaryDirectory() as folder:
        run, session = Path(folder) / "run", Path(folder) / "session.toml"
        session.write_text(SESSION, encoding="utf-8")
        command = [*_learnae(checkout), "swarm", str(session), "--backend", "compose", "--peers", str(peers)]
        command += ["--port", "0", "--out", str(run)]
        counters = Counters()
        with repeated(counters.sample, EVERY):
            done = subprocess.run(command, capture_output=True, text=True, cwd=checkout)
        if done.returncode:
            raise SystemExit(f"{checkout}: the session failed:\n{done.stdout}{done.stderr}")
        return list(comebacks(RunDirectory(run).read(), Roster.read(run / live_run.ROSTER).zero.unix, counters))


def _learnae(checkout: Path) -> list[str]:
    return ["env", f"PYTHONPATH={checkout / 'peer'}", sys.executable, "-m", "learnae"]


def main(runs: int, peers: int, before: Path | None) -> None:
    arms = {"before": before, "now": HERE} if before else {"now": HERE}
    found: dict[str, list[Back]] = {arm: [] for arm in arms}
    for checkout in arms.values():
        subprocess.run([*_learnae(checkout), "compose", "images"], check=True, capture_output=True, cwd=checkout)
    for number in range(runs):
        for arm in list(arms)[:: -1 if number % 2 else 1]:
            found[arm] += measure(arms[arm], peers)
            print(f"{arm}, load {os.getloadavg()[0]:.0f}", flush=True)
    print(f"{peers} peers, {runs} runs of each arm" + " " * 17 + "    min   median      max")
    for what in found["now"][0]:
        for arm, each in found.items():
            values = [back[what] for back in each]
            print(f"{what:24}{arm:24}{min(values):8.2f} {statistics.median(values):8.2f} {max(values):8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=4)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--before", type=Path, help="another checkout, such as a worktree of an earlier commit")
    wanted = parser.parse_args()
    main(wanted.runs, wanted.peers, wanted.before and wanted.before.absolute())
