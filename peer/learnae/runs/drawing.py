"""The figures and the report of a run, written to its directory."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from learnae.adapters.run_directory import ENVIRONMENT, RunDirectory
from learnae.analysis.figures import USUAL, Figure, Look, View, draw, figure_table, overview
from learnae.analysis.figures import figures as figures_of
from learnae.analysis.figures.paper import fault_windows
from learnae.errors import InputError
from learnae.records.history import History

REPORT, BASELINES = "report.html", "baselines.json"


def draw_run(run: RunDirectory, history: History) -> None:
    """Draw the figures of a run.  With faults, figures by seconds are added: they show when."""
    views: tuple[View, ...] = ("units", "seconds") if fault_windows(history) else ("units",)
    for view in views:
        draw_figures(run, history, view)


def draw_figures(
    run: RunDirectory, history: History, x: View, formats: Sequence[str] = ("png",), look: Look = USUAL
) -> list[Path]:
    """Draw each figure, and one that shows all of them; write the data of each as CSV; the files.

    All are drawn elsewhere first, so that the run never has files that its seal does not list yet.
    """
    figures, drawn = run.path / "figures", figures_of(history, x)
    view = "" if x == "units" else "-seconds"
    with TemporaryDirectory() as folder:
        for figure in drawn:
            for suffix in formats:
                draw(figure, Path(folder) / f"{figure.name}{view}.{suffix}", look)
            _write_table(figure, Path(folder) / f"{figure.name}{view}.csv")
        for suffix in formats:
            overview(drawn, Path(folder) / f"overview{view}.{suffix}")
        names = sorted(path.name for path in Path(folder).iterdir())
        figures.mkdir(exist_ok=True)
        with run.deriving(*(f"figures/{name}" for name in names)):
            for name in names:
                shutil.copyfile(Path(folder) / name, figures / name)
    return [figures / name for name in names]


def _write_table(figure: Figure, path: Path) -> None:
    heads, rows = figure_table(figure)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([heads, *rows])


def write_report(run: RunDirectory, history: History, verdict: dict[str, Any]) -> Path:
    with run.deriving(REPORT):
        (run.path / REPORT).write_text(report_of(run, history, verdict), encoding="utf-8")
    return run.path / REPORT


def report_of(run: RunDirectory, history: History, verdict: dict[str, Any]) -> str:
    from learnae.web.report import page, plotly

    return page(history, verdict, plotly(), run.read_json(ENVIRONMENT), _scores(run))


def report_parts(run: RunDirectory, history: History, verdict: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """The same up to Plotly, Plotly, and the rest."""
    from learnae.web.report import page, plotly

    place = f"// {uuid4()}"  # nobody who wrote a part of the report knew it
    top, rest = page(history, verdict, place, run.read_json(ENVIRONMENT), _scores(run)).encode().split(place.encode())
    return top, plotly().encode(), rest


def _scores(run: RunDirectory) -> dict[str, dict[str, float | None]]:
    """Accuracies by baseline; empty if there are none.  Raises InputError."""
    baselines = run.read_json(BASELINES)
    for scores in baselines.values():
        if not isinstance(scores, dict) or not all(map(_is_accuracy, scores.values())):
            raise InputError(f"{run.path / BASELINES} is damaged: run learnae baselines {run.path} again")
    return baselines


def _is_accuracy(value: object) -> bool:
    return value is None or (isinstance(value, float | int) and 0 <= value <= 1)
