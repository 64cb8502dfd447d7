"""What the commands do, once their arguments are parsed."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import exit_code
from learnae.analysis.figures import View, draw, overview
from learnae.analysis.figures import figures as figures_of
from learnae.analysis.figures.paper import fault_windows
from learnae.cli.progress import Progress
from learnae.cli.tables import failed_checks, paper_table
from learnae.errors import InputError
from learnae.records.history import History
from learnae.records.outcome import EndedBy
from learnae.session.environment import RPC, external_chain_settings
from learnae.session.session_file import load
from learnae.web.report import page, plotly

INTERRUPTED = 130
WIDTH = 110  # columns where there is no terminal
REPORT, BASELINES = "report.html", "baselines.json"

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def simulate(path: Path, overrides: dict[str, Any], out: Path | None, threads: int | None, with_baselines: bool) -> int:
    session = load(path, overrides)
    began = time.monotonic()
    say(_first_line(session.peers, with_baselines))
    from learnae.backends.sim.run_simulation import record
    from learnae.runtime.torch_learning import TorchLearning  # imports torch: after the first line is out

    learning = TorchLearning(session, threads or os.cpu_count() or 1)
    if learning.notice:
        say(f"Notice: {learning.notice}")
    run = RunDirectory.create(Path("runs"), session.name, out)
    with Progress(console, session) as progress:
        ended_by = record(session, learning, run, progress.tick, progress.observe)
    history = run.read()
    found = run.judge(history, time.monotonic() - began)
    if with_baselines and ended_by is not EndedBy.INTERRUPTED:
        from learnae.runs.baselines import baselines

        with console.status("baselines: the same peers alone, always averaging, pooled") as status:
            run.write_json(BASELINES, baselines(session, learning, found["summary"], status.update))
    picture(run, history, found)
    return tell(run, found)


def check(path: Path) -> int:
    run = RunDirectory(path)
    found = run.judge(run.read(), run.verdict().get("summary", {}).get("wall_seconds"))
    tell(run, found)
    return exit_code(found)


def figures(path: Path, x: View, svg: bool) -> int:
    run = RunDirectory(path)
    for file in _draw(run, run.read(), x, svg):
        say(file)
    return 0


def report(path: Path) -> int:
    run = RunDirectory(path)
    history = run.read()
    found = run.judge(history, run.verdict().get("summary", {}).get("wall_seconds"))
    say(_report(run, history, found))
    return 0


def tell(run: RunDirectory, found: dict[str, Any]) -> int:
    """Table and verdict; the exit code of the session."""
    console.print(paper_table(found["summary"]))
    conclude(run, found)
    return INTERRUPTED if found["ended_by"] == EndedBy.INTERRUPTED else exit_code(found)


def picture(run: RunDirectory, history: History, found: dict[str, Any]) -> None:
    """The figures and the report of a run that was judged; with faults, which seconds alone can shade, along both."""
    views: tuple[View, ...] = ("units", "seconds") if fault_windows(history) else ("units",)
    for view in views:
        _draw(run, history, view, svg=False)
    _report(run, history, found)


def only_our_chain(backend: str, why: str) -> None:
    """Raises InputError if the environment names another, which such a backend cannot run on."""
    if external_chain_settings():
        raise InputError(
            f"{RPC} names a chain that is not ours, and only a swarm on containers runs on one: "
            f"this is {backend} ({why}); take --backend compose, or unset it"
        )


def say(line: str, style: str | None = None) -> None:
    """One line stays one line, whatever the terminal's width."""
    console.print(line, style=style, markup=False, soft_wrap=True)


def _first_line(peers: int, with_baselines: bool) -> str:
    seconds = 8 + (0.6 if with_baselines else 0.35) * peers
    wait = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return f"LEARNAE: {peers} peers in the simulator (virtual time). Expect about {wait}."


def _draw(run: RunDirectory, history: History, x: View, svg: bool) -> list[str]:
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    drawn = figures_of(history, x)
    files = []
    for suffix in ("png", "svg") if svg else ("png",):
        ending = f"{'' if x == 'units' else '-seconds'}.{suffix}"
        for figure in drawn:
            files.append(folder / f"{figure.name}{ending}")
            draw(figure, files[-1])
        files.append(folder / f"overview{ending}")
        overview(drawn, files[-1])
    return [str(file) for file in files]


def _report(run: RunDirectory, history: History, found: dict[str, Any]) -> str:
    file = run.path / REPORT
    file.write_text(page(history, found, plotly(), run.read_json("environment.json"), run.read_json(BASELINES)))
    return str(file)


def conclude(run: RunDirectory, found: dict[str, Any]) -> None:
    for line in [*failed_checks(found), *found.get("unproven", ())]:
        say(line)
    say(f"Verdict: {found['verdict']} (ended by: {found['ended_by']})", "bold")
    say(f"Run directory: {run.path}")
    if (run.path / REPORT).exists():
        say(f"Open in a browser: {run.path / REPORT}")
