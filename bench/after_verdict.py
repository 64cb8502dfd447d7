"""What `learnae simulate` takes besides its session: imports and data before it; checks, report and figures after it.

Each run is a whole process.  The moments come from its files and from its output, so nothing is added to it.

    python bench/after_verdict.py [--runs 3] [--peers 20]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from learnae.resources import session_files

PARTS = ("before", "session", "answer", "figures")


def measure(peers: int, seed: int) -> tuple[dict[str, float], int]:
    """Seconds until the session begins, until it has ended, until the outcome is printed, until the process has ended.

    Also the bytes of the report.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [sys.executable, "-m", "learnae", "simulate", str(session_files()["paper"])]
        command += ["--peers", str(peers), "--seed", str(seed), "--out", str(out)]
        began = time.time()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            lines = [(time.time(), line) for line in process.stdout]
        over = time.time()
        if process.returncode:
            raise SystemExit(f"seed {seed}: exit code {process.returncode}")
        history, report = out / "history.jsonl", out / "report.html"
        ended = history.stat().st_mtime
        printed = max(at for at, line in lines if line.startswith("Run directory"))
        moments = (began, (out / "session.toml").stat().st_mtime, ended, printed, over)
        spans = (later - earlier for earlier, later in zip(moments, moments[1:], strict=False))
        return dict(zip(PARTS, spans, strict=True)), report.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="processes to time (default 3)")
    parser.add_argument("--peers", type=int, default=20)
    wanted = parser.parse_args()
    ratios = []
    for seed in range(1, wanted.runs + 1):
        load = os.getloadavg()[0]
        parts, size = measure(wanted.peers, seed)
        ratios.append({name: parts[name] / parts["session"] for name in ("answer", "figures")})
        print(
            f"seed {seed}, load {load:.0f}: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts.items()),
            f"report {size / 1e6:.2f} MB",
            sep=", ",
            flush=True,
        )
    for name in ratios[0]:
        values = [each[name] for each in ratios]
        print(f"{name} / session: min {min(values):.1%}, median {statistics.median(values):.1%}, max {max(values):.1%}")


if __name__ == "__main__":
    main()
