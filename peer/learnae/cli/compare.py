"""`learnae compare`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from learnae.adapters.run_directory import HISTORY, RunDirectory
from learnae.analysis.metric_words import in_metric
from learnae.analysis.statistics import band, differences
from learnae.cli.arguments import Json, RunPlugins
from learnae.cli.check import allow_plugins
from learnae.cli.many_runs import METRICS, cell
from learnae.cli.output import console, print_document, table_of
from learnae.session.settings import ScoreSettings


@dataclass
class Group:
    """Runs whose settings differ in the seed only."""

    settings: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)  # metrics per run
    names: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} and {len(self.names) - 1} more"


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, or folders of a sweep.")],
    json: Json = False,
    run_plugins: RunPlugins = False,
) -> int:
    """Compare runs side by side: means and ranges over seeds, differences, settings that differ.

    Runs are grouped if only their seeds differ; runs on different backends never are.
    """
    from learnae.analysis.checks.result import session_began
    from learnae.analysis.statistics import run_metrics
    from learnae.session.session_file import resolved

    groups: list[Group] = []
    for path in _run_directories(runs):
        run = RunDirectory(path)
        allow_plugins(path, run_plugins)
        history = run.read_session()
        began = session_began(history)
        settings = resolved(began.session) | {"backend": began.backend.value}
        group = next((group for group in groups if not differences([group.settings, settings])), None)
        if group is None:
            group = Group(settings)
            groups.append(group)
        verdict = run.judge_again(history)
        group.rows.append(run_metrics(history, verdict))
        group.names.append(path.name)
    if json:
        print_document([_group_as_json(group) for group in groups])
    else:
        console.print(_comparison(groups))
    return 0


def _run_directories(paths: Sequence[Path]) -> list[Path]:
    """The runs themselves; of a folder without a run of its own, the runs below it.  Each one once."""
    found: dict[Path, None] = {}
    for path in paths:
        below = [] if (path / HISTORY).exists() else sorted(file.parent for file in path.glob(f"*/{HISTORY}"))
        for run in below or [path]:
            found.setdefault(run)
    return list(found)


def _group_as_json(group: Group) -> dict[str, Any]:
    bands = {metric: band(group.rows, metric) for _, metric, _, _ in METRICS}
    metrics = {metric: asdict(value) if value else None for metric, value in bands.items()}
    return {"runs": group.names, "settings": group.settings, "metrics": metrics}


def _comparison(groups: Sequence[Group]) -> Table:
    table = table_of("", *(group.title for group in groups))
    for name, values in differences([group.settings for group in groups]).items():
        table.add_row(name, *("default" if value is None else str(value) for value in values), style="cyan")
    names = {_metric(group) for group in groups}
    scored_by = names.pop() if len(names) == 1 else "score"
    for title, metric, form, _ in METRICS:
        bands = [band(group.rows, metric) for group in groups]
        table.add_row(
            in_metric(title, scored_by),
            *(cell(value, form, bands[0] if number else None) for number, value in enumerate(bands)),
        )
    return table


def _metric(group: Group) -> str:
    return ScoreSettings(group.settings.get("score", {}).get("metric", ScoreSettings.metric)).name
