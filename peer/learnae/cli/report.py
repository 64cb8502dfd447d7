"""`learnae report`."""

from learnae.adapters.run_directory import RunDirectory
from learnae.cli.arguments import Run, RunPlugins
from learnae.cli.check import allow_plugins
from learnae.cli.output import say
from learnae.runs.drawing import write_report


def report(run: Run, run_plugins: RunPlugins = False) -> int:
    """Write a run's report.html again: one page with figures, money, gas, settings and verdict."""
    directory = RunDirectory(run)
    allow_plugins(run, run_plugins)
    history = directory.read_session()
    say(str(write_report(directory, history, directory.judge_again(history))))
    return 0
