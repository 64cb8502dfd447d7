"""The journal of a peer in one SQLite file: ``ports.Journal`` and the blocks that its events refer to."""

from learnae.adapters.sqlite_journal.blocks import KEPT_BYTES, SqliteBlocks, blocks_expected, blocks_in_use
from learnae.adapters.sqlite_journal.file_format import MAX_JOURNAL
from learnae.adapters.sqlite_journal.journal import SqliteJournal
from learnae.adapters.sqlite_journal.reader import JournalContents, journal_lines, read_block, read_blocks, read_journal

__all__ = [
    "KEPT_BYTES",
    "MAX_JOURNAL",
    "JournalContents",
    "SqliteBlocks",
    "SqliteJournal",
    "blocks_expected",
    "blocks_in_use",
    "journal_lines",
    "read_block",
    "read_blocks",
    "read_journal",
]
