"""How the simulator grows: 20 to 10,000 peers x 1,000 rows x 10 slices, 20 neighbours each, with records and report.

Each size runs in a process of its own, so that its peak memory is its own.  Rows overlap between peers: the shipped set
does not hold a million.  Times are processor seconds of that process, so that other work on the machine hardly changes
them.  The last column compares the cost per peer of the session and its verdict with that at the first size.

    python bench/scale.py [1000 10000]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

SIZES = [20, 100, 300, 1000]
SESSION = Path(__file__).with_name("scale.toml")


@dataclass(frozen=True)
class Measured:
    """One size.  Times are processor seconds; ``peak`` is in MiB, ``report`` in MB."""

    verdict: str
    load: float  # imports and data
    session: float
    judge: float  # the records are read from the run directory and checked
    draw: float  # figures and report
    peak: float
    report: float
    history: float  # MB
    attempts: float  # per peer
    accuracy: float


def measure(peers: int) -> Measured:
    """Run one size here, from the import of torch to the report."""
    from learnae.adapters.run_directory import HISTORY, RunDirectory
    from learnae.backends.sim.backend import simulate
    from learnae.runs.drawing import REPORT, draw_run, write_report
    from learnae.runtime.torch_learning import TorchLearning
    from learnae.session.session_file import load

    session = load(SESSION, {"peers": peers})
    learning = TorchLearning(session, os.cpu_count() or 1)
    moments = [time.process_time()]
    with TemporaryDirectory() as folder:
        run = RunDirectory.create(Path(folder), session.name, Path(folder) / "run")
        simulate(session, learning, run)
        moments.append(time.process_time())
        history = run.read()
        verdict = run.judge(history, None)
        moments.append(time.process_time())
        draw_run(run, history)
        write_report(run, history, verdict)
        moments.append(time.process_time())
        run.release()
        report, records = ((run.path / name).stat().st_size / 1e6 for name in (REPORT, HISTORY))
    loaded, ran, judged, drawn = moments
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    summary = verdict["summary"]
    attempts = summary["averaging_attempts"] / peers
    return Measured(
        verdict["verdict"],
        loaded,
        ran - loaded,
        judged - ran,
        drawn - judged,
        peak,
        report,
        records,
        attempts,
        summary["accuracy_test_mean"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="*", type=int, default=SIZES)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(asdict(measure(arguments.peers[0]))))
        return
    print(
        f"{'peers':>6} {'load':>6} {'session':>8} {'judge':>7} {'draw':>6} {'ms/peer':>8} {'MiB':>6} {'report':>7}",
        end="",
    )
    print(f" {'history':>8} {'attempts':>8} {'test':>6}  verdict  ms/peer compared")
    first = 0.0
    for peers in arguments.peers:
        command = [sys.executable, __file__, "--one", str(peers)]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = Measured(**json.loads(child.stdout.splitlines()[-1]))
        per_peer = 1000 * (found.session + found.judge) / peers
        first = first or per_peer
        print(
            f"{peers:6d} {found.load:6.1f} {found.session:8.1f} {found.judge:7.1f} {found.draw:6.1f} {per_peer:8.1f} "
            f"{found.peak:6.0f} {found.report:7.1f} {found.history:8.1f} {found.attempts:8.1f} {found.accuracy:6.4f}  "
            f"{found.verdict}  {per_peer / first:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
