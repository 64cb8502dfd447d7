"""What commands print about a run, and the commands that judge and draw a run again."""

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import exit_code
from learnae.analysis.figures import View, draw, overview
from learnae.analysis.figures import figures as figures_of
from learnae.analysis.figures.paper import fault_windows
from learnae.cli.tables import failed_checks, paper_table
from learnae.records.history import History
from learnae.records.outcome import EndedBy
from learnae.session.settings import Session
from learnae.web.report import page, plotly

INTERRUPTED = 130
WIDTH = 110  # columns, without a terminal
REPORT, BASELINES = "report.html", "baselines.json"

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


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


def add_baselines(run: RunDirectory, session: Session, verdict: dict[str, Any], threads: int | None) -> dict[str, Any]:
    """Train the baselines of a run and keep their accuracies in its directory."""
    from learnae.runs.baselines import run_baselines  # imports torch
    from learnae.runtime.torch_learning import TorchLearning

    learning = TorchLearning(session, threads or os.cpu_count() or 1)
    with console.status("baselines: the same peers alone, always averaging, pooled") as status:
        scores = run_baselines(session, learning, verdict["summary"], status.update)
    run.write_json(BASELINES, scores)
    return scores


def tell(run: RunDirectory, found: dict[str, Any]) -> int:
    """Print the table and the verdict; the exit code."""
    console.print(paper_table(found["summary"]))
    conclude(run, found)
    return INTERRUPTED if found["ended_by"] == EndedBy.INTERRUPTED else exit_code(found)


def picture(run: RunDirectory, history: History, found: dict[str, Any]) -> None:
    """Draw the figures and the report.  A run with faults gets figures along seconds, too, which can show when."""
    views: tuple[View, ...] = ("units", "seconds") if fault_windows(history) else ("units",)
    for view in views:
        _draw(run, history, view, svg=False)
    _report(run, history, found)


def say(line: str, style: str | None = None) -> None:
    """Print one line, however narrow the terminal is."""
    console.print(line, style=style, markup=False, soft_wrap=True)


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
