"""`learnae report`."""

from learnae.cli.arguments import Run


def report(run: Run) -> int:
    """Write a run's report.html again: one page with figures, money, settings and verdict."""
    from learnae.cli import commands

    return commands.report(run)
