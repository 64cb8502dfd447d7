"""Measure what faults and cheats cost, over seeds, and write the table of docs/explanation/fault-results.md.

    python bench/chaos.py [--backend sim|compose] [--undisturbed] [--seeds 3] [--peers 20] [--out FOLDER] [SCENARIO ...]
    python bench/chaos.py --again [--out FOLDER]... [--into PAGE]

Each run is `learnae chaos run` in a process of its own, one after the other.  Its directory and what it said stay in
FOLDER, and a line of FOLDER/runs.jsonl tells how it ended: what has one is not played again, so that the same command
goes on where it was stopped.  A run that fails is a line, too; take the line out to play it again.  The table is of all
lines there, whichever commands wrote them, and of those of every other ``--out``; ``--into`` puts it into the docs.

``--again`` plays nothing: checks and figures as they are now judge the runs that FOLDER has (nobody may play there
meanwhile).

Points are lost against the same session undisturbed, simulated; for containers, against one on containers where
``--undisturbed`` has played it.
"""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from pathlib import Path
from statistics import fmean
from typing import IO, Any

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import verdict
from learnae.analysis.fault_impact import fault_impact, to_json
from learnae.backends.sim.faults import undisturbed
from learnae.cli.chaos import CHAOS
from learnae.errors import InputError
from learnae.protocol.policies import Forgery, Policy
from learnae.records.history import History
from learnae.resources import scenario_files
from learnae.session.session_file import load, to_toml
from learnae.session.settings import Expectations, Session
from learnae.session.shipped import scenario_file

INTERRUPTED = 130
SLACK = 1200.0  # s beyond a session's own length: images, start, judgement and the simulated session beside it
STOPPING = 120.0  # s
COLUMNS = "scenario, peers, where, valid, accuracy, points lost, longest stall (s), crossing (s), ETH earned per peer"
BEGIN, END = "<!-- chaos:begin -->", "<!-- chaos:end -->"
PLACES = {"sim": "simulator", "compose": "containers"}
Line = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    folder: Path

    @property
    def lines(self) -> list[Line]:
        file = self.folder / "runs.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []

    def play(self, scenario: str, session: Session, backend: str) -> None:
        """Unless it was played before."""
        asked = {"scenario": scenario, "backend": backend, "peers": session.peers, "seed": session.seed}
        if any(asked.items() <= line.items() for line in self.lines):
            return
        run = self.run(asked)
        shutil.rmtree(run, ignore_errors=True)  # it was stopped
        print(f"{time.strftime('%H:%M:%S')}  {run.name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        why = self._run(scenario, session, backend, run)
        line = asked | {"calm": quiet(session).name, "seconds": round(time.monotonic() - began, 1), "commit": None}
        if why:
            line |= {"verdict": "failed", "why": why}
        else:
            line |= _judged(_json(run / "verdict.json")) | _json(run / CHAOS)
            line["commit"] = _json(run / "environment.json")["commit"]
        with (self.folder / "runs.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def again(self) -> None:
        """Each line as it would be had its run been judged now."""
        if not (lines := [self._again(line) for line in self.lines]):
            return  # nothing was played to its end
        (self.folder / "runs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def _again(self, line: Line) -> Line:
        if "accuracy" not in line or not (run := self.run(line)).is_dir():
            return line  # there is nothing to judge
        history = RunDirectory(run).read()
        after, session = fault_impact(history, History(())), load(run / "session.toml")
        if undisturbed(session) != session:
            after = replace(after, **{key: value for key, value in line.items() if key.endswith("_undisturbed")})
        return line | _judged(verdict(history)) | to_json(after)

    def run(self, asked: Line) -> Path:
        return self.folder / "{backend}-{scenario}-{peers}-{seed}".format_map(asked)

    def play_quiet(self, session: Session, backend: str) -> None:
        calm = quiet(session)
        (self.folder / f"{calm.name}.toml").write_text(to_toml(calm), encoding="utf-8")
        self.play(calm.name, calm, backend)

    def _run(self, scenario: str, session: Session, backend: str, run: Path) -> str:
        """Why it came to nothing that can be judged; empty if it did."""
        described, log = self.folder / f"{scenario}.toml", run.with_suffix(".log")
        command = [sys.executable, "-m", "learnae", "chaos", "run", str(described) if described.is_file() else scenario]
        command += ["--peers", str(session.peers), "--seed", str(session.seed), "--backend", backend, "--out", str(run)]
        with log.open("w", encoding="utf-8") as file:
            code = _waited(command, file, session.max_duration + SLACK)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if (run / CHAOS).is_file():
            return ""
        said = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
        return said[-1] if said else f"exit code {code}"


def _judged(told: dict[str, Any]) -> Line:
    failing = [name for name, each in told["checks"].items() if each["result"] != "valid"]
    return {"verdict": told["verdict"], "why": ", ".join(failing)}


def _waited(command: Sequence[str], log: IO[str], seconds: float) -> int:
    """Its exit code.  Whoever interrupts this interrupts the run, once, which then heals and stops."""
    with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            return process.wait(seconds)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait(STOPPING)
            raise
        except subprocess.TimeoutExpired:
            log.write(f"no end after {seconds:.0f} s\n")
            process.kill()  # the next run removes its containers
            return process.wait()


def quiet(session: Session) -> Session:
    """Undisturbed, by a name that follows from it: scenarios that are alike without faults and cheats share it."""
    bare = undisturbed(session)
    rest = bare.peers - sum(group.count or 0 for group in bare.groups)
    alike = groupby(bare.groups, key=lambda group: replace(group, count=None, forgery=Forgery.COPY))
    groups = tuple(
        replace(kind, count=sum(rest if each.count is None else each.count for each in each_kind))
        for kind, each_kind in alike
    )
    bare = replace(bare, name="", about="", groups=groups, expect=Expectations())
    return replace(bare, name=f"undisturbed-{hashlib.sha256(to_toml(bare).encode()).hexdigest()[:8]}")


def table(lines: Sequence[Line]) -> Iterable[str]:
    """Markdown: of each scenario a row for the simulator and one for containers."""
    calm = {(line["scenario"], line["backend"]): line.get("accuracy") for line in lines}
    titles = COLUMNS.split(", ")
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    told = [line for line in lines if not line["scenario"].startswith("undisturbed-")]
    for (name, peers, place), alike in groupby(sorted(told, key=_row), key=_row):
        runs = list(alike)
        found = [run for run in runs if "accuracy" in run]
        lost = [_lost(run, calm.get((run["calm"], run["backend"]))) for run in found]
        cells = [
            name,
            peers,
            list(PLACES.values())[place],
            _valid(runs),
            _spread([run["accuracy"] for run in found], ".4f"),
            _spread(lost, "+.2f"),
            _spread([run["stall"] for run in found], ".1f"),
            _spread([run["crossing"] for run in found], ".1f"),
            _earned(found),
        ]
        yield f"| {' | '.join(map(str, cells))} |"


def _row(line: Line) -> tuple[str, int, int]:
    """The last is the place."""
    return line["scenario"], line["peers"], list(PLACES).index(line["backend"])


def _lost(run: Line, calm: float | None) -> float | None:
    """Percentage points; None if nothing was disturbed."""
    accuracy: float | None = run["accuracy"]
    simulated: float | None = run["accuracy_undisturbed"]
    if accuracy is None or simulated is None:
        return None
    return 100 * ((simulated if calm is None else calm) - accuracy)


def _valid(runs: Sequence[Line]) -> str:
    bad = [f"seed {run['seed']} {run['verdict']}: {run['why']}" for run in runs if run["verdict"] != "valid"]
    count = f"{len(runs) - len(bad)} of {len(runs)}"
    return f"{count} ({'; '.join(bad).replace('|', '/')})" if bad else count


def _spread(numbers: Iterable[float | None], form: str) -> str:
    """Mean (least to greatest)."""
    known = [each for each in numbers if each is not None]
    if len(known) < 2:
        return f"{known[0]:{form}}" if known else "-"
    return f"{fmean(known):{form}} ({min(known):{form}} to {max(known):{form}})"


def _earned(found: Sequence[Line]) -> str:
    cells = []
    for policy in sorted(
        {policy for run in found for policy in run["earned"]}, key=lambda each: (each != "honest", each)
    ):
        forged = fmean(run["forged"][policy] for run in found)
        with_forged = f", {forged:.5f} of it with copies" if policy == Policy.COPYCAT else ""
        cells.append(f"{policy} {_spread([run['earned'][policy] for run in found], '.4f')}{with_forged}")
    return "; ".join(cells)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def put_into(page: Path, rows: Iterable[str]) -> None:
    """Between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text("\n".join([before + BEGIN, *rows, END + rest.partition(END)[2]]), encoding="utf-8")


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help="names; none: all")
    parser.add_argument("--backend", choices=PLACES, default="sim")
    parser.add_argument("--undisturbed", action="store_true", help="play each session without faults and cheats, too")
    parser.add_argument("--seeds", type=int, default=3, help="of each scenario, from 1 (default 3)")
    parser.add_argument("--peers", type=int, default=20)
    parser.add_argument("--again", action="store_true", help="judge the runs that are there again, and play none")
    parser.add_argument("--out", type=Path, action="append", help="several: runs go to the first (default runs/chaos)")
    parser.add_argument("--into", type=Path, metavar="PAGE", help=f"put the table between {BEGIN} and {END}")
    wanted = parser.parse_args()
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a shell lets what it starts with & ignore the first, and its children
        signal.signal(number, signal.default_int_handler)
    benches = [Bench(each.absolute()) for each in wanted.out or [Path("runs/chaos")]]
    code = 0
    if wanted.again:
        for bench in benches:
            bench.again()
    else:
        code = play(benches[0], wanted)
    rows = list(table([line for bench in benches for line in bench.lines]))
    print("\n".join(rows))
    if wanted.into:
        put_into(wanted.into, rows)
    raise SystemExit(code)


def play(bench: Bench, wanted: Namespace) -> int:
    """Its exit code."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    scenarios = wanted.scenarios or list(scenario_files())
    try:
        for name, seed in product(scenarios, range(1, wanted.seeds + 1)):
            try:
                session = load(scenario_file(name), {"seed": seed, "peers": wanted.peers})
            except InputError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            bench.play(name, session, wanted.backend)
            if wanted.undisturbed and wanted.backend == "compose" and undisturbed(session) != session:
                bench.play_quiet(session, wanted.backend)
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    main()
