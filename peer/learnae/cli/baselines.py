"""`learnae baselines`."""

import os

from learnae.cli.arguments import Run

ALONE = "alone"


def baselines(run: Run) -> int:
    """Train the same peers alone, always averaging, and on pooled data; the run's report compares them."""
    from learnae.adapters.run_directory import RunDirectory
    from learnae.cli.commands import BASELINES, console
    from learnae.cli.many_runs import table_of
    from learnae.runs.baselines import baselines as run_baselines
    from learnae.runtime.torch_learning import TorchLearning
    from learnae.session.session_file import load

    directory = RunDirectory(run)
    verdict = directory.judge(directory.read(), directory.verdict().get("summary", {}).get("wall_seconds"))
    session = load(run / "session.toml")
    learning = TorchLearning(session, os.cpu_count() or 1)
    with console.status("baselines") as status:
        scores = run_baselines(session, learning, verdict["summary"], status.update)
    directory.write_json(BASELINES, scores)
    table = table_of("accuracy on test data", "mean", "min", "against alone")
    for name, score in scores.items():
        gain = 100 * (score["mean"] - scores[ALONE]["mean"])
        table.add_row(name, f"{score['mean']:.4f}", f"{score['min']:.4f}", f"{gain:+.2f} points")
    console.print(table)
    return 0
