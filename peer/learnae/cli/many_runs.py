"""What commands over many runs share: running them in parallel, one CSV, tables of means and ranges."""

import csv
import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from learnae.analysis.statistics import Band
from learnae.cli.output import console, say
from learnae.runs.executors import executor
from learnae.runs.sweep import SweepRun, is_finished, run_missing

METRICS = [
    ("payments sent, mean of peers", "payments_mean", ".1f", "9.4"),
    ("payments sent, min", "payments_min", ".0f", "3"),
    ("payments sent, max", "payments_max", ".0f", "16"),
    ("ETH sent, mean of peers", "eth_mean", ".4f", "0.003"),
    ("ETH sent, min", "eth_min", ".4f", "0.0005"),
    ("ETH sent, max", "eth_max", ".4f", "0.0068"),
    ("ETH sent, max / min", "eth_spread", ".1f", "13.6"),
    ("successful averagings", "success_rate", ".1%", "above 20%"),
    ("training in the first phase", "first_phase_training", ".1%", "50 %"),
    ("accuracy on test data", "accuracy_test_mean", ".4f", ""),
    ("gain paid for, own validation data", "paid_gain", ".5f", ""),
    ("the same gain on test data", "test_gain", ".5f", ""),
]


def run_cases(cases: Sequence[SweepRun], address: str | None = None) -> list[dict[str, Any]]:
    """``address``: of an executor; None for processes here."""
    finished = sum(case.row is not None for case in cases)
    if finished:
        say(f"{finished} of {len(cases)} runs exist already, with the same settings, data and program: they are used.")
    stale = sorted({case.stale or "interrupted" for case in cases if case.path.exists() and case.row is None})
    if stale:
        say(f"Runs that exist are repeated, because they are of something else: {'; '.join(stale)}.")
    if kept := [case.path.name for case in cases if case.row is None and is_finished(case.path)]:
        say(f"Finished ones are kept under another name, such as {kept[0]}.old.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("runs", total=len(cases), completed=finished)

        def done(case: SweepRun, row: dict[str, Any]) -> None:
            bar.advance(task)
            if not console.is_terminal:
                score = f"test {case.session.score.name} {row['accuracy_test_mean']:.4f}"
                say(f"{case.path.name}: {row['verdict']}, {score}")

        return run_missing(cases, done, partial(executor, address))


def exit_code(rows: Sequence[dict[str, Any]]) -> int:
    return 0 if all(row.get("verdict") == "valid" for row in rows) else 1


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def cell(value: Band | None, form: str, reference: Band | None = None) -> str:
    if value is None:
        return "-"
    text = f"{value.mean:{form}}"
    if value.count > 1:
        text += f" ({value.min:{form}} - {value.max:{form}})"
    return f"{text}  {value.mean - reference.mean:+{form}}" if reference else text
