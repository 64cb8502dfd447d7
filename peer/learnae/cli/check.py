"""`learnae check`."""

from learnae.cli.arguments import Run


def check(run: Run) -> int:
    """Check a run again, from its files alone."""
    from learnae.cli import commands

    return commands.check(run)
