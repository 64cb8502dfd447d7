"""`learnae calibrate`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from learnae.adapters.run_directory import ENVIRONMENT, RunDirectory
from learnae.adapters.run_directory.seal import SEEDS
from learnae.analysis.checks import verdict
from learnae.analysis.metric_words import in_metric
from learnae.cli.arguments import Run, RunPlugins
from learnae.cli.check import allow_plugins
from learnae.cli.output import console, say, table_of
from learnae.session.session_file import load, to_toml

if TYPE_CHECKING:
    from learnae.runs.calibrate import ComparedMetric

CALIBRATED, CALIBRATION = "calibrated.toml", "calibration.json"  # in the run directory
SHOWN = {
    "payments_mean": ("payments sent, mean of peers", ".1f"),
    "success_rate": ("successful averagings", ".3f"),
    "accuracy_test_mean": ("accuracy on test data", ".4f"),
}


def calibrate(
    run: Run,
    seeds: Annotated[int, typer.Option(min=2, help="Number of simulated sessions, with seeds 1, 2, ...")] = 20,
    run_plugins: RunPlugins = False,
) -> int:
    """Fit the simulator to a live run and test whether the run agrees with it."""
    from learnae.analysis.statistics import run_metrics
    from learnae.backends.live_run import SESSION
    from learnae.cli.many_runs import run_cases
    from learnae.runs.calibrate import MAX_BAND_WIDTH, compare_with_seeds, fit_costs
    from learnae.runs.provenance import require_same_data
    from learnae.runs.run_journals import read_run_journals
    from learnae.runs.sweep import plan_runs
    from learnae.runtime.torch_learning import TorchLearning

    directory = RunDirectory(run)
    allow_plugins(run, run_plugins)
    history, session = directory.read_session(), load(run / SESSION)
    if directory.read_json(ENVIRONMENT):
        require_same_data(directory, session)
    learning = TorchLearning(session, threads=1)
    calibrated = fit_costs(session, learning, read_run_journals(run, history))
    with directory.deriving(CALIBRATED):
        (run / CALIBRATED).write_text(to_toml(calibrated), encoding="utf-8")
    cost = asdict(calibrated.cost) | {"latency": calibrated.network.latency}
    say("The run's costs: " + ", ".join(f"{name} {value:g}" for name, value in cost.items()))
    rows = run_cases(plan_runs(run / CALIBRATED, {}, range(1, seeds + 1), run / SEEDS, own=False))
    results = compare_with_seeds(run_metrics(history, verdict(history)), rows)
    table = [
        asdict(metric) | {"width": metric.width, "inside": metric.inside, "holds": metric.holds} for metric in results
    ]
    directory.write_json(CALIBRATION, {"cost": cost, "compared": table})
    console.print(_table(results, seeds, session.score.name))
    for metric in results:
        name = in_metric(SHOWN[metric.metric][0], session.score.name)
        if metric.live is None:
            say(f"The run has no value for {name}: run `learnae audit {run}` on the machine that has its data.")
        elif metric.width > MAX_BAND_WIDTH:
            say(f"{name}: the seeds differ by more than {MAX_BAND_WIDTH:.0%} of their mean.")
    if not results:
        say("The simulated seeds have no value to compare with.")
    return 0 if results and all(metric.holds for metric in results) else 1


def _table(metrics: Sequence["ComparedMetric"], seeds: int, scored_by: str) -> Table:
    table = table_of("", "live", f"{seeds} simulated seeds", "mean", "max", "live is")
    for metric in metrics:
        title, form = SHOWN[metric.metric]
        band = metric.seeds
        live = "-" if metric.live is None else format(metric.live, form)
        span = f"{band.min:{form}} - {band.max:{form}}"
        inside = "inside" if metric.inside else "outside"
        table.add_row(in_metric(title, scored_by), live, span, format(band.mean, form), f"±{metric.width:.0%}", inside)
    return table
