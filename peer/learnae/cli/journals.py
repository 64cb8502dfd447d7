"""What the command about journals does."""

from pathlib import Path

from learnae.adapters.sqlite_journal import export


def history(path: Path) -> int:
    for line in export(path):
        print(line)
    return 0
