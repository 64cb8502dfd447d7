"""What ``learnae calibrate`` does."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import verdict
from learnae.analysis.statistics import metrics
from learnae.backends.live_run import SESSION
from learnae.cli.commands import console, say
from learnae.cli.experiments import run_cases
from learnae.runs.calibrate import WIDEST, ComparedMetric, compared, fitted, left_behind
from learnae.runs.sweep import grid
from learnae.session.settings import load, to_toml

CALIBRATED, CALIBRATION, SEEDS = "calibrated.toml", "calibration.json", "calibration"
SHOWN = {
    "payments_mean": ("payments sent, mean of peers", ".1f"),
    "success_rate": ("success rate at the end", ".3f"),
    "accuracy_test_mean": ("accuracy on test rows", ".4f"),
}


def calibrate(path: Path, seeds: int) -> int:
    run = RunDirectory(path)
    history, session = run.read(), load(path / SESSION)
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    learning = TorchLearning(session, threads=1)
    calibrated = fitted(session, learning, left_behind(path, learning))
    (path / CALIBRATED).write_text(to_toml(calibrated))
    cost = asdict(calibrated.cost) | {"latency": calibrated.network.latency}
    say("The run's costs: " + ", ".join(f"{name} {value:g}" for name, value in cost.items()))
    rows = run_cases(grid(path / CALIBRATED, {}, range(1, seeds + 1), path / SEEDS))
    found = compared(metrics(history, verdict(history)), rows)
    table = [asdict(each) | {"width": each.width, "inside": each.inside, "holds": each.holds} for each in found]
    run.write_json(CALIBRATION, {"cost": cost, "compared": table})
    console.print(_table(found, seeds))
    for each in found:
        if each.live is None:
            say(f"The run says nothing about {SHOWN[each.metric][0]}: run `learnae audit {path}` where its rows are.")
        elif each.width > WIDEST:
            say(f"{SHOWN[each.metric][0]}: the seeds differ by more than {WIDEST:.0%} of their mean.")
    if not found:
        say("The simulated seeds have no value to compare with.")
    return 0 if found and all(each.holds for each in found) else 1


def _table(found: Sequence[ComparedMetric], seeds: int) -> Table:
    table = Table(header_style="bold")
    for number, title in enumerate(("", "live", f"{seeds} simulated seeds", "mean", "at most", "live is")):
        table.add_column(title, justify="right" if number else "left")
    for each in found:
        title, form = SHOWN[each.metric]
        band = each.seeds
        live = "-" if each.live is None else format(each.live, form)
        span = f"{band.least:{form}} - {band.most:{form}}"
        inside = "inside" if each.inside else "outside"
        table.add_row(title, live, span, format(band.mean, form), f"±{each.width:.0%}", inside)
    return table
