"""`learnae reproduce`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from learnae.analysis.statistics import band
from learnae.cli.output import console, say, table_of
from learnae.resources import session_files


def reproduce(
    seeds: Annotated[int, typer.Option(min=1, help="Number of sessions, with seeds 1, 2, ...")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs (default: runs/reproduce).")] = None,
) -> int:
    """Run the paper's session over several seeds and compare the means and ranges with the paper's numbers."""
    from learnae.cli.many_runs import exit_code, run_cases, write_csv
    from learnae.runs.sweep import plan_runs

    folder = out or Path("runs") / "reproduce"
    rows = run_cases(plan_runs(session_files()["paper"], {}, range(1, seeds + 1), folder))
    write_csv(folder / "reproduce.csv", rows)
    console.print(_reproduction(rows))
    say(
        "The reward factor was fitted to the paper's mean of ETH, and the patience determines the success rate at the "
        "end: these two agree by choice. docs/explanation/reproduction.md explains every setting."
    )
    say(f"One line per run: {folder / 'reproduce.csv'}")
    return exit_code(rows)


def _reproduction(rows: Sequence[dict[str, Any]]) -> Table:
    from learnae.cli.many_runs import METRICS

    table = table_of("", "mean", f"over {len(rows)} seeds", "paper")
    for title, metric, form, paper in METRICS:
        found = band(rows, metric)
        mean = "-" if found is None else format(found.mean, form)
        spread = "-" if found is None else f"{found.min:{form}} - {found.max:{form}}"
        table.add_row(title, mean, spread, paper)
    return table
