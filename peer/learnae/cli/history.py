"""`learnae history`."""

from pathlib import Path
from typing import Annotated

import typer


def history(
    journal: Annotated[Path, typer.Argument(metavar="PEER.sqlite", help="Journal of a live peer, running or not.")],
) -> int:
    """Print the events that a live peer received, as JSON lines."""
    from learnae.adapters.sqlite_journal import journal_lines

    for line in journal_lines(journal):
        print(line)
    return 0
