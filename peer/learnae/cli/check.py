"""`learnae check`."""

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import exit_code
from learnae.cli.arguments import Run
from learnae.cli.output import print_outcome


def check(run: Run) -> int:
    """Check a run again, from its files alone."""
    directory = RunDirectory(run)
    verdict = directory.judge_again(directory.read())
    print_outcome(directory, verdict)
    return exit_code(verdict)
