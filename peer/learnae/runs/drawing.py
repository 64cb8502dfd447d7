"""The figures and the report of a run, written to its directory."""

from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.figures import View, draw, overview
from learnae.analysis.figures import figures as figures_of
from learnae.analysis.figures.paper import fault_windows
from learnae.records.history import History

REPORT, BASELINES = "report.html", "baselines.json"


def draw_run(run: RunDirectory, history: History, verdict: dict[str, Any]) -> None:
    """Draw the figures and write the report.  With faults, figures by seconds are added: they show when."""
    views: tuple[View, ...] = ("units", "seconds") if fault_windows(history) else ("units",)
    for view in views:
        draw_figures(run, history, view)
    write_report(run, history, verdict)


def draw_figures(run: RunDirectory, history: History, x: View, svg: bool = False) -> list[Path]:
    """Draw each figure, and one that shows all of them; the files."""
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    drawn, files = figures_of(history, x), []
    for suffix in ("png", "svg") if svg else ("png",):
        ending = f"{'' if x == 'units' else '-seconds'}.{suffix}"
        for figure in drawn:
            files.append(folder / f"{figure.name}{ending}")
            draw(figure, files[-1])
        files.append(folder / f"overview{ending}")
        overview(drawn, files[-1])
    return files


def write_report(run: RunDirectory, history: History, verdict: dict[str, Any]) -> Path:
    from learnae.web.report import page, plotly

    file = run.path / REPORT
    file.write_text(
        page(history, verdict, plotly(), run.read_json("environment.json"), run.read_json(BASELINES)), encoding="utf-8"
    )
    return file
