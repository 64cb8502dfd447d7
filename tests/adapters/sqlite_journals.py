"""Journals in SQLite for tests: opened, killed, written to for ever, spoilt."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.adapters.journals import ENTRIES
from tests.helpers.peers import config

from learnae.adapters.sqlite_journal import SqliteJournal
from learnae.errors import InputError
from learnae.ports import Journal
from learnae.protocol.settings import PeerConfig

CONFIG = config()
ROOT = Path(__file__).parents[2]

# Appends for ever, one block an event, and says so once an event is durable.
WRITER = """
import sys
from pathlib import Path
from tests.helpers.peers import config
from learnae.adapters.sqlite_journal import SqliteJournal
from learnae.protocol import events as on
from learnae.messages.wire import cid_of

journal = SqliteJournal(Path(sys.argv[1]), config())
number = len(journal.replay())
while True:
    block = b"block %d" % number
    journal.blocks[cid_of(block)] = block
    journal.append(on.ModelStored(float(number), number), "digest")
    number += 1
    print(number, flush=True)
"""


class Journals:
    """Kills nothing: what a killed process leaves behind is its files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lives = folder, 0
        self.opened = [SqliteJournal(folder / "0.sqlite", CONFIG)]

    @property
    def journal(self) -> Journal:
        return self.opened[-1]

    @property
    def path(self) -> Path:
        return self.opened[-1].path

    def reopen(self) -> SqliteJournal:
        before, self.lives = self.path, self.lives + 1
        for suffix in ("", "-wal"):
            shutil.copy(f"{before}{suffix}", self.folder / f"{self.lives}.sqlite{suffix}")
        self.opened.append(SqliteJournal(self.folder / f"{self.lives}.sqlite", CONFIG))
        return self.opened[-1]

    def close(self) -> None:
        for each in self.opened:
            each.close()


def sentence(path: Path, settings: PeerConfig = CONFIG) -> str:
    with pytest.raises(InputError) as refusal:
        SqliteJournal(path, settings)
    text = str(refusal.value)
    assert text.startswith(str(path)) and "\n" not in text and ": " in text
    return text.removeprefix(f"{path} ")


def altered(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def written(folder: Path) -> Path:
    """A journal with all events in it, closed."""
    journal = SqliteJournal(folder / "peer.sqlite", CONFIG)
    for event, digest in ENTRIES:
        journal.append(event, digest)
    journal.close()
    return journal.path
