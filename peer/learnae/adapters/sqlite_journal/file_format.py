"""The tables of a journal, the checks of a file, and SQLite's errors as one sentence each."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from learnae.errors import InputError
from learnae.messages.codec import decode
from learnae.messages.foreign_json import from_json
from learnae.messages.wire import MAX_MODEL
from learnae.protocol import peer as core
from learnae.protocol.events import Event

VERSION = 2  # of the tables
APPLICATION = 0x4C524E45  # "LRNE": marks the file as a journal of this program

TABLES = """
CREATE TABLE heading (core INTEGER NOT NULL, config TEXT NOT NULL);
CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE signatures (number INTEGER PRIMARY KEY, signature TEXT NOT NULL);
CREATE TABLE blocks (number INTEGER PRIMARY KEY AUTOINCREMENT, cid TEXT NOT NULL UNIQUE, block BLOB NOT NULL);
"""
MAX_VALUE = MAX_MODEL + (8 << 20)  # bytes of one value that is read; the largest legal one is a model
MAX_JOURNAL = 256 << 20  # bytes of a file that a host collects; the limits on its blocks are parts of it
OPENINGS = "CREATE TABLE openings (after INTEGER NOT NULL)"  # since version 2: number of events before each opening

DAMAGED = (
    "is damaged or not a journal: restore its newest copy, or restart this peer with a new journal and a new wallet"
)
LOCKED = "is in use by another process: stop that peer first, or give this one a journal of its own"
NOT_WRITABLE = "cannot be written: check its folder, its permissions and the limits on file sizes"
CAUSES = {
    sqlite3.SQLITE_FULL: "cannot grow because the disk is full: free some space and start this peer again",
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_ERROR: DAMAGED,  # a table or column is missing
    sqlite3.SQLITE_CANTOPEN: NOT_WRITABLE,
    sqlite3.SQLITE_READONLY: NOT_WRITABLE,
    sqlite3.SQLITE_PERM: NOT_WRITABLE,
    sqlite3.SQLITE_IOERR: NOT_WRITABLE,
}


@contextmanager
def input_errors(path: Path) -> Iterator[None]:
    """Raise the errors of SQLite and of the file system as InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} {NOT_WRITABLE} ({error.strerror})") from None
    except sqlite3.ProgrammingError:
        raise  # a bug in this package
    except (sqlite3.Error, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without a code: text is not UTF-8
        raise InputError(f"{path} {CAUSES.get(code, DAMAGED)} ({error})") from None


def create_file(path: Path, config: str) -> None:
    """Create an empty journal under another name and rename it: the file is complete or does not exist.

    Leftovers of an earlier file of this name are removed, because SQLite would take them for its write-ahead log.
    Only its owner can read it, because its configuration holds the peer's salt.
    """
    new = path.with_name(path.name + ".new")
    for name in (new.name, new.name + "-journal", path.name + "-wal", path.name + "-shm"):
        path.with_name(name).unlink(missing_ok=True)
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for statement in (OPENINGS, *TABLES.strip().split("\n")):
            connection.execute(statement)
        connection.execute("INSERT INTO heading VALUES (?, ?)", (core.VERSION, config))
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_file(path: Path, connection: sqlite3.Connection) -> None:
    """Raises InputError unless the file is an undamaged journal of this or an earlier version."""
    is_journal = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
    version = format_version(connection)
    if is_journal and version > VERSION:
        raise InputError(
            f"{path} has format {version} and this program knows {VERSION}: use the version of learnae that wrote it"
        )
    sound = is_journal and version >= 1 and _has_our_schema(connection)
    if not sound or connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise InputError(f"{path} {DAMAGED}")


def _has_our_schema(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing but our tables: a view or a generated column would run somebody else's query."""
    ours = {statement.rstrip(";") for statement in (OPENINGS, *TABLES.strip().split("\n"))}
    ours |= {"CREATE TABLE sqlite_sequence(name,seq)"}  # SQLite's own, for AUTOINCREMENT
    parts = connection.execute("SELECT type, sql FROM sqlite_master LIMIT 20").fetchall()
    return all((kind == "table" and sql in ours) or (kind == "index" and sql is None) for kind, sql in parts)


def format_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def read_heading(path: Path, connection: sqlite3.Connection, fix: str = "use the version that wrote it") -> str:
    """The peer's configuration as JSON.  InputError if another version of the protocol wrote the journal."""
    core_version, config = connection.execute("SELECT core, config FROM heading").fetchone() or (0, "{}")
    if core_version != core.VERSION:
        raise InputError(f"{path} was written by version {core_version} of the protocol, this is {core.VERSION}: {fix}")
    return str(config)


def read_events(path: Path, connection: sqlite3.Connection) -> Iterator[tuple[Event, str, str]]:
    """Yield each event with its JSON and its digest."""
    rows = connection.execute("SELECT number, event, digest FROM events ORDER BY number")
    for expected, (number, text, digest) in enumerate(rows, 1):
        if number != expected:
            raise InputError(f"{path} {DAMAGED} (entry {expected} is missing)")
        try:
            event: Event = decode(Event, from_json(text))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} {DAMAGED} (entry {number}: {error})") from None
        yield event, text, digest
