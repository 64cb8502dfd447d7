"""Commands over many runs: sweep, reproduce, compare, and the baselines of one."""

import csv
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.statistics import Band, band, differences, metrics
from learnae.cli.commands import BASELINES, console, say
from learnae.resources import session_files
from learnae.runs.sweep import SweepRun, choices, grid, run_all
from learnae.session.settings import load

ALONE = "alone"


def sweep(path: Path, assignments: Sequence[str], seeds: int, out: Path | None) -> int:
    folder = out or Path("runs") / f"sweep-{path.stem}"
    chosen = choices(assignments)
    cases = grid(path, chosen, range(1, seeds + 1), folder)
    rows = run_cases(cases)
    table = folder / "sweep.csv"
    _write(table, rows)
    console.print(_bands(rows, list(chosen)))
    say(f"One row a run: {table}")
    return _code(rows)


def reproduce(seeds: int, out: Path | None) -> int:
    folder = out or Path("runs") / "reproduce"
    cases = grid(session_files()["paper"], {}, range(1, seeds + 1), folder)
    rows = run_cases(cases)
    _write(folder / "reproduce.csv", rows)
    console.print(_reproduction(rows))
    say(
        "The RewardFactor was fitted to the paper's mean of ETH, and the patience decides the success rate at the end: "
        "those two say nothing for themselves. docs/reproduction.md names every setting."
    )
    say(f"One row a run: {folder / 'reproduce.csv'}")
    return _code(rows)


def compare(paths: Sequence[Path]) -> int:
    """Runs with equal settings but for the seed are one column, its band over seeds."""
    groups: list[tuple[dict[str, Any], list[dict[str, Any]], list[str]]] = []
    for path in paths:
        run = RunDirectory(path)
        history = run.read()
        settings = history.began.session if history.began else {}
        row = metrics(history, run.judge(history, run.verdict().get("summary", {}).get("wall_seconds")))
        same = next((group for group in groups if not differences([group[0], settings])), None)
        if same is None:
            groups.append((settings, [row], [path.name]))
        else:
            same[1].append(row)
            same[2].append(path.name)
    console.print(_comparison(groups))
    return 0


def baselines(path: Path) -> int:
    run = RunDirectory(path)
    found = run.judge(run.read(), run.verdict().get("summary", {}).get("wall_seconds"))
    session = load(path / "session.toml")
    from learnae.runs.baselines import baselines as run_baselines  # imports torch
    from learnae.runtime.torch_learning import TorchLearning

    learning = TorchLearning(session, os.cpu_count() or 1)
    with console.status("baselines") as status:
        scores = run_baselines(session, learning, found["summary"], status.update)
    run.write_json(BASELINES, scores)
    table = _titled("accuracy on test rows", "mean", "least", "against alone")
    for name, score in scores.items():
        gain = 100 * (score["mean"] - scores[ALONE]["mean"])
        table.add_row(name, f"{score['mean']:.4f}", f"{score['min']:.4f}", f"{gain:+.2f} points")
    console.print(table)
    return 0


# in here


def run_cases(cases: Sequence[SweepRun]) -> list[dict[str, Any]]:
    finished = sum(case.row is not None for case in cases)
    if finished:
        say(f"{finished} of {len(cases)} runs are there already.")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("runs", total=len(cases), completed=finished)

        def done(case: SweepRun, row: dict[str, Any]) -> None:
            bar.advance(task)
            if not console.is_terminal:
                say(f"{case.path.name}: {row['verdict']}, test accuracy {row['accuracy_test_mean']:.4f}")

        return run_all(cases, done)


def _code(rows: Sequence[dict[str, Any]]) -> int:
    return 0 if all(row.get("verdict") == "valid" for row in rows) else 1


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _titled(*titles: str) -> Table:
    table = Table(header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left")
    return table


SHOWN = {
    "payments_mean": (".1f", "payments, mean"),
    "eth_mean": (".4f", "ETH, mean"),
    "success_rate": (".3f", "success"),
    "accuracy_test_mean": (".4f", "test accuracy"),
}


def _bands(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> Table:
    table = _titled(*keys, "runs", *(title for _, title in SHOWN.values()))
    for chosen, group in itertools.groupby(rows, key=lambda row: [row[key] for key in keys]):
        same = list(group)
        cells = [_cell(band(same, metric), form) for metric, (form, _) in SHOWN.items()]
        table.add_row(*map(str, chosen), str(len(same)), *cells)
    return table


REPRODUCED = [
    ("payments sent, mean of peers", "payments_mean", ".1f", "9.4"),
    ("payments sent, least", "payments_min", ".0f", "3"),
    ("payments sent, most", "payments_max", ".0f", "16"),
    ("ETH sent, mean of peers", "eth_mean", ".4f", "0.003"),
    ("ETH sent, least", "eth_min", ".4f", "0.0005"),
    ("ETH sent, most", "eth_max", ".4f", "0.0068"),
    ("ETH sent, most over least", "eth_spread", ".1f", "13.6"),
    ("success rate at the end", "success_rate", ".1%", "above 20 %"),
    ("training in the first phase", "first_phase_training", ".1%", "50 %"),
    ("accuracy on test rows", "accuracy_test_mean", ".4f", ""),
    ("gain paid for, own rows", "paid_gain", ".5f", ""),
    ("the same on test rows", "test_gain", ".5f", ""),
]


def _reproduction(rows: Sequence[dict[str, Any]]) -> Table:
    table = _titled("", "mean", f"over {len(rows)} seeds", "paper")
    for title, metric, form, paper in REPRODUCED:
        found = band(rows, metric)
        mean = "-" if found is None else format(found.mean, form)
        spread = "-" if found is None else f"{found.least:{form}} - {found.most:{form}}"
        table.add_row(title, mean, spread, paper)
    return table


def _comparison(groups: Sequence[tuple[dict[str, Any], list[dict[str, Any]], list[str]]]) -> Table:
    heads = [names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more" for _, _, names in groups]
    table = _titled("", *heads)
    for name, values in differences([settings for settings, _, _ in groups]).items():
        table.add_row(name, *("default" if value is None else str(value) for value in values), style="cyan")
    for title, metric, form, _ in REPRODUCED:
        found = [band(rows, metric) for _, rows, _ in groups]
        table.add_row(title, *(_cell(each, form, found[0] if number else None) for number, each in enumerate(found)))
    return table


def _cell(found: Band | None, form: str, reference: Band | None = None) -> str:
    if found is None:
        return "-"
    text = f"{found.mean:{form}}"
    if found.count > 1:
        text += f" ({found.least:{form}} - {found.most:{form}})"
    return f"{text}  {found.mean - reference.mean:+{form}}" if reference else text
