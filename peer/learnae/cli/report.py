"""`learnae report`."""

from learnae.adapters.run_directory import RunDirectory
from learnae.cli.arguments import Run
from learnae.cli.output import say
from learnae.runs.drawing import write_report


def report(run: Run) -> int:
    """Write a run's report.html again: one page with figures, money, settings and verdict."""
    directory = RunDirectory(run)
    history = directory.read()
    say(str(write_report(directory, history, directory.judge_again(history))))
    return 0
