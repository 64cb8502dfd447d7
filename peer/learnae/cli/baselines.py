"""`learnae baselines`."""

from learnae.cli.arguments import Run

ALONE = "alone"


def baselines(run: Run) -> int:
    """Train the same peers alone, always averaging, and on pooled data; the run's report compares them."""
    from learnae.adapters.run_directory import RunDirectory
    from learnae.cli.commands import add_baselines, console
    from learnae.cli.many_runs import table_of
    from learnae.session.session_file import load

    directory = RunDirectory(run)
    verdict = directory.judge(directory.read(), directory.verdict().get("summary", {}).get("wall_seconds"))
    scores = add_baselines(directory, load(run / "session.toml"), verdict, None)
    table = table_of("accuracy on test data", "mean", "min", "against alone")
    for name, score in scores.items():
        gain = 100 * (score["mean"] - scores[ALONE]["mean"])
        table.add_row(name, f"{score['mean']:.4f}", f"{score['min']:.4f}", f"{gain:+.2f} points")
    console.print(table)
    return 0
