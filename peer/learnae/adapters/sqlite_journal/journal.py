"""``ports.Journal`` in one SQLite file, together with the blocks: everything that a peer needs to restart.

- ``append`` returns when the event is on the disk: WAL with ``synchronous=FULL``.  An entry here spends a nonce
  (exactly once), so it may be lost neither with the process nor with the machine.  A commit takes 0.3 to 5 ms of a disk
  that all peers share, so entries on which nothing depends yet are committed with a later one (``durable=False``).
- A block is committed together with the next durable event.  No earlier entry refers to it: if the process dies in
  between, both are lost and the replayed peer requests the block again.
- One process writes: it holds the lock on ``PEER.sqlite.lock``, which ends with it.  Other processes may read.
- A journal is created under another name and renamed: an existing file is either complete or was damaged later.
- Each opening is recorded with the number of events before it: all but the first are restarts.  A journal of version 1,
  which recorded none, can be read and is continued as version 2.
- Every problem with the file is an ``InputError``.  After the first failure, the journal accepts nothing more, so that
  no entry can follow a rejected one.

Any thread may call; trainers store blocks from their threads.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import IO, Any

from learnae.adapters.sqlite_journal.blocks import SqliteBlocks
from learnae.adapters.sqlite_journal.file_format import (
    DAMAGED,
    LOCKED,
    NOT_WRITABLE,
    OPENINGS,
    VERSION,
    check_file,
    create_file,
    format_version,
    input_errors,
    read_events,
    read_heading,
)
from learnae.errors import InputError
from learnae.file_lock import try_lock
from learnae.messages.codec import encode, to_json
from learnae.messages.foreign_json import from_json
from learnae.protocol.events import Event
from learnae.protocol.settings import PeerConfig


class SqliteJournal:
    """The journal of the peer with this configuration; created if it does not exist.

    ``config``: that of the peer.  Its salt is the one with which the journal was created.
    InputError: the file is damaged, locked, of another version, or another peer's; the disk is full.
    """

    def __init__(self, path: Path, config: PeerConfig) -> None:
        self.path = path
        self._thread_lock = RLock()
        self._failure: InputError | None = None
        self.blocks = SqliteBlocks(self)
        self._file_lock = _lock(path)
        try:
            with input_errors(path):
                if not path.exists():
                    create_file(path, to_json(encode(config)))
                self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        except InputError:
            self._file_lock.close()
            raise
        try:
            with self.exclusive() as connection:
                check_file(path, connection)
                self.config = _check_writer(path, connection, config)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA temp_store = MEMORY")  # a pod's /tmp is too small to delete a large model
                _record_opening(connection)
        except InputError:
            self.close()
            raise

    def append(self, event: Event, digest: str, signature: str | None = None, durable: bool = True) -> None:
        """Append an entry; if ``durable``, commit it with all earlier entries and all blocks stored so far."""
        row = (to_json(encode(event)), digest)
        with self.transaction() as connection:
            number = connection.execute("INSERT INTO events (event, digest) VALUES (?, ?)", row).lastrowid
            if signature is not None:
                connection.execute("INSERT INTO signatures VALUES (?, ?)", (number, signature))
            if durable:
                connection.execute("COMMIT")

    def replay(self) -> list[tuple[Event, str]]:
        with self.exclusive() as connection:
            return [(event, digest) for event, _, digest in read_events(self.path, connection)]

    def close(self) -> None:
        """Release the file.  A block that no event followed is dropped, and so are entries that are not durable."""
        with self._thread_lock:
            self.connection.close()
            self._file_lock.close()
            self._failure = self._failure or InputError(f"{self.path} was closed: open it again")

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time and until the first failure."""
        with self._thread_lock:
            if self._failure:
                raise self._failure
            try:
                with input_errors(self.path):
                    yield self.connection
            except InputError as error:
                self._failure = error
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """``exclusive``, in the transaction that the next ``append`` commits."""
        with self.exclusive() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            yield connection


def _lock(path: Path) -> IO[str]:
    """The open lock file; the system releases it when this process ends."""
    try:
        file = path.with_name(path.name + ".lock").open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} {NOT_WRITABLE} ({error.strerror})") from None
    if not try_lock(file):
        file.close()
        raise InputError(f"{path} {LOCKED}")
    return file


def _record_opening(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if format_version(connection) < VERSION:
        connection.execute(OPENINGS)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("INSERT INTO openings SELECT count(*) FROM events")
    connection.execute("COMMIT")


def _check_writer(path: Path, connection: sqlite3.Connection, config: PeerConfig) -> PeerConfig:
    """Return the settings with the salt of the journal.

    Raises InputError unless this core, with these settings, wrote the journal and can continue it.
    """
    fix = "use the version that wrote it, or restart this peer with a new journal and a new wallet"
    text = read_heading(path, connection, fix)
    try:
        before: dict[str, Any] = dict(from_json(text))
        config = replace(config, salt=str(before["salt"]))
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path} {DAMAGED}") from None
    old, new = _flatten(before), _flatten(encode(config))
    differences = [
        f"{name} {old.get(name)}, now {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)
    ]
    if differences:
        raise InputError(
            f"{path} was created with other settings ({', '.join(differences)}): "
            "use the same settings again, or restart this peer with a new journal and a new wallet"
        )
    return config


def _flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
