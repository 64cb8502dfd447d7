"""`learnae baselines`."""

import os
from typing import Annotated, Any

import typer

from learnae.adapters.run_directory import RunDirectory
from learnae.cli.arguments import Run, RunPlugins
from learnae.cli.check import allow_plugins
from learnae.cli.output import console, say, table_of
from learnae.errors import InputError
from learnae.runs.drawing import BASELINES, write_report
from learnae.runs.provenance import other_environment, require_same_data
from learnae.session.session_file import load
from learnae.session.settings import Session

ALONE = "alone"


def baselines(
    run: Run,
    aggregated: Annotated[
        bool,
        typer.Option(
            "--aggregated", help="Also FedAvg, Krum, the coordinate median and Gauntlet-like scores, after each slice."
        ),
    ] = False,
    run_plugins: RunPlugins = False,
) -> int:
    """Train the same peers alone, always averaging, and on pooled data; the run's report compares them."""
    directory = RunDirectory(run)
    history = directory.read()
    allow_plugins(run, run_plugins)
    session = load(run / "session.toml")
    verdict = directory.judge_again(history)
    if verdict["summary"]["accuracy_test_mean"] is None:
        raise InputError(
            f"{run} has no {session.score.name} on test data, because the session did not end: run it again"
        )
    require_same_data(directory, session)
    if other := other_environment(directory, session):
        say(f"The run was made with another program or machine than its baselines: {other}.")
    scores = add_baselines(directory, session, verdict, None, aggregated)
    write_report(directory, history, verdict)
    table = table_of(f"{session.score.name} on test data", "mean", "min", "against alone")
    for name, score in scores.items():
        gain = 100 * (score["mean"] - scores[ALONE]["mean"])
        table.add_row(name, f"{score['mean']:.4f}", f"{score['min']:.4f}", f"{gain:+.2f} points")
    console.print(table)
    return 0


def add_baselines(
    run: RunDirectory, session: Session, verdict: dict[str, Any], threads: int | None, aggregated: bool = False
) -> dict[str, Any]:
    """Train the baselines of a run and keep their accuracies in its directory."""
    from learnae.backends.live_run import judging_salt
    from learnae.runs.baselines import run_baselines  # imports torch
    from learnae.runtime.torch_learning import TorchLearning

    learning = TorchLearning(session, threads or os.cpu_count() or 1, salt=judging_salt(run.path))
    with console.status("baselines: the same peers alone, always averaging, pooled") as status:
        scores = run_baselines(session, learning, verdict["summary"], status.update, aggregated)
    run.write_json(BASELINES, scores)
    return scores
