"""Reads a journal without changing it; the peer that writes it may be running."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from learnae.adapters.sqlite_journal.file_format import (
    DAMAGED,
    MAX_VALUE,
    check_file,
    format_version,
    input_errors,
    read_events,
    read_heading,
)
from learnae.errors import InputError
from learnae.messages.codec import decode, to_json
from learnae.messages.foreign_json import from_json
from learnae.messages.wire import cid_of
from learnae.protocol.events import Event
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid


class JournalContents(NamedTuple):
    """The peer's configuration, its events with their digests, and the number of events before each restart.

    ``signature``: the peer's, of all of it up to the last event (``messages.journal_lines.journal_text``).
    """

    config: PeerConfig
    entries: list[tuple[Event, str]]
    restarts: list[int]
    signature: str | None = None


def read_journal(path: Path) -> JournalContents:
    """Read a whole journal, which is enough to replay the peer.

    InputError: missing, damaged, or written by another version.
    """
    with _open_read_only(path) as connection:
        try:
            config: PeerConfig = decode(PeerConfig, from_json(read_heading(path, connection)))
        except (ValueError, TypeError):
            raise InputError(f"{path} {DAMAGED}") from None
        entries = [(event, digest) for event, _, digest in read_events(path, connection)]
        last = connection.execute("SELECT signature FROM signatures WHERE number = ?", (len(entries),)).fetchone()
        return JournalContents(config, entries, _read_restarts(connection), last[0] if last else None)


def journal_lines(path: Path) -> Iterator[str]:
    """Yield the events as JSON lines, oldest first, in the format of run directories, without heading.

    InputError: missing, damaged (raised after the readable events), or of a newer version.
    """
    with _open_read_only(path) as connection:
        for _, text, digest in read_events(path, connection):
            yield to_json({"digest": digest, **from_json(text)})


def read_block(path: Path, cid: Cid) -> bytes | None:
    """Read one block of a journal; None if it is not there.  Raises InputError like ``journal_lines``."""
    with _open_read_only(path) as connection:
        row = connection.execute("SELECT block FROM blocks WHERE cid = ?", (cid,)).fetchone()
    return row[0] if row and cid_of(row[0]) == cid else None


def read_blocks(path: Path) -> dict[Cid, bytes]:
    """Read all blocks of a journal, except damaged ones.  Raises InputError like ``journal_lines``."""
    with _open_read_only(path) as connection:
        rows = connection.execute("SELECT cid, block FROM blocks")
        return {cid: block for cid, block in rows if cid_of(block) == cid}


@contextmanager
def _open_read_only(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {problem}: give the journal of a peer, such as p00.sqlite")
    for suffix in ("-wal", "-shm", "-journal"):  # SQLite opens these by itself
        beside = path.with_name(path.name + suffix)
        if beside.is_symlink() or (beside.exists() and not beside.is_file()):
            raise InputError(f"{beside} is not a regular file: remove it")
    log = path.with_name(path.name + "-wal")
    complete = not log.exists() or not log.stat().st_size  # then SQLite needs, and leaves, no files beside it
    with input_errors(path), ExitStack() as opened:
        try:
            connection = opened.enter_context(_connected(path, path, "&immutable=1" if complete else ""))
        except sqlite3.OperationalError as error:
            if complete or error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            copy = Path(opened.enter_context(TemporaryDirectory())) / path.name  # the folder is read-only
            for each, to in ((path, copy), (log, copy.with_name(log.name))):
                shutil.copyfile(each, to)
            connection = opened.enter_context(_connected(path, copy))
        yield connection


@contextmanager
def _connected(path: Path, file: Path, options: str = "") -> Iterator[sqlite3.Connection]:
    """To ``file``, which holds what is in the journal ``path``, after its checks."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro{options}", uri=True)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
        check_file(path, connection)
        yield connection


def _read_restarts(connection: sqlite3.Connection) -> list[int]:
    """A journal of version 1 does not record restarts."""
    if format_version(connection) < 2:
        return []
    return [after for (after,) in connection.execute("SELECT after FROM openings WHERE after > 0 ORDER BY rowid")]
