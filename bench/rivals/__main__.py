"""The same work by LEARNAE's simulator, by a plain loop and by frameworks for federated and gossip learning.

20 peers train a small network on 10,000 rows each, 20 passes over them (bench/sim.toml).  Every rival gets the same
rows, initial weights, optimizer and version of torch, and an environment of its own under build/rivals, made at the
first run.  Rounds are interleaved: each runs all rivals once.  Needs Linux and an idle machine.

    .venv/bin/python -m bench.rivals [--rounds 3] [--only "plain loop" LEARNAE limit]
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.rivals.environments import NotInstalled, interpreter
from bench.rivals.measure import ProgramFailed, run
from bench.rivals.rivals import RIVALS, Rival
from bench.rivals.table import Result, far_apart, table

ROOT = Path(__file__).parents[2]
VARIABLES = (
    "FLWR_TELEMETRY_ENABLED=0",
    "RAY_USAGE_STATS_ENABLED=0",
    "RAY_raylet_start_wait_time_s=300",  # a slow machine may take long to start Ray
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each rival (default 3)")
    names = [rival.name for rival in RIVALS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--session", type=Path, default=ROOT / "bench" / "sim.toml", help="the work (bench/sim.toml)")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "rivals", help="environments and results")
    parser.add_argument("--limit", type=float, default=900, help="s that one run may take (default 900)")
    wanted = parser.parse_args()
    rivals = [rival for rival in RIVALS if rival.name in wanted.only]
    folder = wanted.folder.absolute()
    work = folder / "work"
    # in a process of its own, which frees its memory and needs the longest imports of this program
    code = "import sys, pathlib; from bench.rivals.prepare import prepare; prepare(*map(pathlib.Path, sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, work, wanted.session.absolute()], cwd=ROOT, check=True)
    results = measured(rivals, installed(rivals, folder), work, wanted.rounds, wanted.limit)
    lines = [json.dumps(asdict(result)) for result in results]
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(table(results))
    apart = far_apart(results)
    print(*apart, sep="\n")
    return int(any("UNKNOWN" in sentence for sentence in apart))


def installed(rivals: Sequence[Rival], folder: Path) -> dict[str, Path]:
    """The interpreter of each rival that can be installed; prints why others cannot."""
    found = {}
    for rival in rivals:
        try:
            found[rival.name] = interpreter(rival, folder)
        except NotInstalled as error:
            print(f"{rival.name} is not installed: {error}", flush=True)
    return found


def measured(
    rivals: Sequence[Rival], interpreters: dict[str, Path], work: Path, rounds: int, limit: float
) -> list[Result]:
    """One result per rival and round, printed as they come.  Each round begins with another rival."""
    results = []
    for number in range(rounds):
        shift = number % len(rivals)
        for rival in [*rivals[shift:], *rivals[:shift]]:
            if rival.name not in interpreters:
                continue
            try:
                results.append(one(rival, number, interpreters[rival.name], work, limit))
            except ProgramFailed as error:
                print(f"{rival.name} failed: {error}", flush=True)
    return results


def one(rival: Rival, number: int, python: Path, work: Path, limit: float) -> Result:
    file = work / f"{rival.module}.json"
    file.unlink(missing_ok=True)
    usage = run(
        ["env", *VARIABLES, python, "-m", f"bench.rivals.{rival.module}", work, file], ROOT, work / "output.txt", limit
    )
    found = json.loads(file.read_text(encoding="utf-8"))
    accuracy = statistics.mean(found["accuracies"]) if found["accuracies"] else None
    result = Result(
        rival.name,
        number,
        found["version"],
        found["seconds"],
        usage.seconds,
        usage.processor_seconds,
        usage.peak_mb,
        accuracy,
    )
    reached = "" if accuracy is None else f"  accuracy {accuracy:.4f}"
    print(f"round {number + 1}  {rival.name:<12} {result.seconds:7.1f} s{reached}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
