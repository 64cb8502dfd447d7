"""``ports.Journal`` in one SQLite file, and the blocks its events refer to: all that a peer needs to come back.

- ``append`` returns when the event is on the disk: WAL with ``synchronous=FULL``.  A nonce is spent by its entry here
  (exactly once), so an entry may be lost neither with the process nor with the machine.  About 0.3 ms an event.
- A block is committed together with the next event.  Until then no entry refers to it: if the process dies in between
  both are gone and the replayed peer asks for the block again.
- One process writes: it holds the lock on ``PEER.sqlite.lock``, which dies with it.  Others may read meanwhile.
- A journal is made under another name and renamed: one that exists is whole, or was damaged.
- Each opening is noted with the number of events before it: all but the first are restarts.  A journal of version 1,
  which noted none, can be read and is taken further as one of this version.
- Whatever is wrong with the file is an ``InputError``.  After the first failure nothing more is taken, so that an entry
  that was refused is never followed by one that was not.

Any thread may call; trainers store blocks from theirs.
"""

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator, MutableMapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import IO, Any, NamedTuple

from learnae.errors import InputError
from learnae.messages.codec import decode, encode, from_json, to_json
from learnae.messages.wire import cid_of
from learnae.protocol import actions as do
from learnae.protocol import peer as core
from learnae.protocol.events import Event
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid

VERSION = 2  # of the tables
APPLICATION = 0x4C524E45  # "LRNE": marks the file as ours
RECENT = 16  # blocks just made or fetched, whose event may still be on its way, are never pruned

TABLES = """
CREATE TABLE heading (core INTEGER NOT NULL, config TEXT NOT NULL);
CREATE TABLE events (number INTEGER PRIMARY KEY, event TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE blocks (number INTEGER PRIMARY KEY AUTOINCREMENT, cid TEXT NOT NULL UNIQUE, block BLOB NOT NULL);
"""
OPENINGS = "CREATE TABLE openings (after INTEGER NOT NULL)"  # since version 2: events before it

DAMAGED = (
    "is damaged or no journal: put back its newest copy, or start this peer anew with a new journal and a new wallet"
)
LOCKED = "is in use by another process: stop that peer first, or give this one a journal of its own"
WRITE = "cannot be written: check its folder, its permissions and the limits on file sizes"
CAUSES = {
    sqlite3.SQLITE_FULL: "has no room to grow, the disk is full: free some space and start this peer again",
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_ERROR: DAMAGED,  # a table or column that should be there is not
    sqlite3.SQLITE_CANTOPEN: WRITE,
    sqlite3.SQLITE_READONLY: WRITE,
    sqlite3.SQLITE_PERM: WRITE,
    sqlite3.SQLITE_IOERR: WRITE,
}


class SqliteJournal:
    """The journal of the peer that ``config`` describes; made if there is none.

    InputError: the file is damaged, locked, of another version, or another peer's; the disk is full.
    """

    def __init__(self, path: Path, config: PeerConfig) -> None:
        self.path = path
        self.guard = RLock()
        self._refused: InputError | None = None
        self.blocks = SqliteBlocks(self)
        self._lock = _locked(path)
        try:
            with _explained(path):
                if not path.exists():
                    _create(path, to_json(encode(config)))
                self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        except InputError:
            self._lock.close()
            raise
        try:
            with self.using() as connection:
                _check(path, connection)
                _check_writer(path, connection, config)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                _note_opening(connection)
        except InputError:
            self.close()
            raise

    def append(self, event: Event, digest: str) -> None:
        """Durable when it returns, and with it every block stored before."""
        row = (to_json(encode(event)), digest)
        with self.using() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO events (event, digest) VALUES (?, ?)", row)
            connection.execute("COMMIT")

    def replay(self) -> list[tuple[Event, str]]:
        with self.using() as connection:
            return [(_decoded(self.path, *row), row[2]) for row in _rows(self.path, connection)]

    def close(self) -> None:
        """Let others have the file.  A block that no event followed is dropped."""
        with self.guard:
            self.connection.close()
            self._lock.close()
            self._refused = self._refused or InputError(f"{self.path} was closed: open it again")

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time and until the first failure."""
        with self.guard:
            if self._refused:
                raise self._refused
            try:
                with _explained(self.path):
                    yield self.connection
            except InputError as error:
                self._refused = error
                raise


class SqliteBlocks(MutableMapping[Cid, bytes]):
    """Blocks at hand (``runtime.dispatch.Ports.blocks``) in the journal's file; committed by its next ``append``."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    def __getitem__(self, cid: Cid) -> bytes:
        with self._journal.using() as connection:
            found = connection.execute("SELECT block FROM blocks WHERE cid = ?", (cid,)).fetchone()
            if found is None:
                raise KeyError(cid)
            block: bytes = found[0]
            if cid_of(block) != cid:
                raise InputError(f"{self._journal.path} {DAMAGED}")
            return block

    def __setitem__(self, cid: Cid, block: bytes) -> None:
        with self._journal.using() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR REPLACE INTO blocks (cid, block) VALUES (?, ?)", (cid, block))

    def __delitem__(self, cid: Cid) -> None:
        if not self._delete("cid = ?", cid):
            raise KeyError(cid)

    def __contains__(self, cid: object) -> bool:
        with self._journal.using() as connection:
            return connection.execute("SELECT 1 FROM blocks WHERE cid = ?", (cid,)).fetchone() is not None

    def __iter__(self) -> Iterator[Cid]:
        with self._journal.using() as connection:
            cids = connection.execute("SELECT cid FROM blocks ORDER BY number").fetchall()
        return (Cid(cid) for (cid,) in cids)

    def __len__(self) -> int:
        with self._journal.using() as connection:
            count: int = connection.execute("SELECT count(*) FROM blocks").fetchone()[0]
        return count

    def prune(self, keep: Collection[Cid]) -> int:
        """Forget all but these and the ``RECENT`` newest; how many were forgotten.  ``needed`` says what to keep."""
        held = "(SELECT value FROM json_each(?))"
        newest = f"(SELECT number FROM blocks ORDER BY number DESC LIMIT {RECENT})"
        return self._delete(f"cid NOT IN {held} AND number NOT IN {newest}", to_json(sorted(keep)))

    def _delete(self, condition: str, value: str) -> int:
        with self._journal.using() as connection:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            return connection.execute(f"DELETE FROM blocks WHERE {condition}", (value,)).rowcount


def needed(peer: core.Peer, initial_weights: Cid) -> set[Cid]:
    """The blocks that this peer works with, or would ask for after a replay of its journal."""
    status = peer.status()
    published = status.published.weights if status.published else None
    cids = {initial_weights} | {weights.cid for weights in (status.weights, published) if weights}
    for action in peer.outstanding():
        match action:
            case do.StoreModel(cid=cid) | do.ScoreModel(cid=cid) | do.TrainSlice(base_cid=cid):
                cids.add(cid)
            case do.AverageModels(base_cid=cid, remote=remote):
                cids |= {cid, remote.weights.cid}
            case do.ForgeModel(source=source) if source:
                cids.add(source.weights.cid)
            case _:
                pass
    return cids


def export(path: Path) -> Iterator[str]:
    """A journal's events as JSON lines, oldest first, as run directories hold them.  Changes nothing; the peer may run.

    InputError: no such file, damaged (after what could be read), newer version.
    """
    _find(path)
    with _explained(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _check(path, connection)
        for number, event, digest in _rows(path, connection):
            _decoded(path, number, event, digest)
            yield to_json({"digest": digest, **from_json(event)})


class Recorded(NamedTuple):
    """Whom a journal belongs to, what it was told, and how many events came before each restart."""

    config: PeerConfig
    entries: list[tuple[Event, str]]
    restarts: list[int]


def recorded(path: Path) -> Recorded:
    """A whole journal: enough for ``core.replay``.  Changes nothing; the peer may run.

    InputError: as ``export``, or written by another version of the core.
    """
    _find(path)
    with _explained(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _check(path, connection)
        written_by, stored = connection.execute("SELECT core, config FROM heading").fetchone() or (0, "{}")
        if written_by != core.VERSION:
            raise InputError(
                f"{path} was written by version {written_by} of the core, this is {core.VERSION}: "
                "use the version that wrote it"
            )
        try:
            config: PeerConfig = decode(PeerConfig, from_json(stored))
        except (ValueError, TypeError):
            raise InputError(f"{path} {DAMAGED}") from None
        entries = [(_decoded(path, *row), row[2]) for row in _rows(path, connection)]
        return Recorded(config, entries, _restarts(connection))


def recorded_block(path: Path, cid: Cid) -> bytes | None:
    """One of a journal's blocks; None if it is not there.  Changes nothing; raises as ``recorded``."""
    with _explained(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _check(path, connection)
        found = connection.execute("SELECT block FROM blocks WHERE cid = ?", (cid,)).fetchone()
    return found[0] if found and cid_of(found[0]) == cid else None


def _find(path: Path) -> None:
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {found}: give the journal of a peer, such as p00.sqlite")


def _locked(path: Path) -> IO[str]:
    """The open lock file; the system lets go of it when this process ends, however it does."""
    lock = path.with_name(path.name + ".lock")
    try:
        file = lock.open("w")
    except OSError as error:
        raise InputError(f"{path} {WRITE} ({error.strerror})") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise InputError(f"{path} {LOCKED}") from None
    return file


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as one sentence each; the system's too."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} {WRITE} ({error.strerror})") from None
    except sqlite3.ProgrammingError:
        raise  # a mistake in this file
    except (sqlite3.Error, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without one: text that is not UTF-8
        raise InputError(f"{path} {CAUSES.get(code, DAMAGED)} ({error})") from None


def _create(path: Path, config: str) -> None:
    """An empty journal, whole or not there.  What is left of another one of that name would be taken for its WAL."""
    new = path.with_name(path.name + ".new")
    for name in (new.name, new.name + "-journal", path.name + "-wal", path.name + "-shm"):
        path.with_name(name).unlink(missing_ok=True)
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


def _check(path: Path, connection: sqlite3.Connection) -> None:
    """That the file is a whole journal of this version."""
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
    version = _version(connection)
    if ours and version > VERSION:
        raise InputError(
            f"{path} has format {version} and this program knows {VERSION}: use the version of learnae that wrote it"
        )
    if not ours or version < 1 or connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise InputError(f"{path} {DAMAGED}")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _note_opening(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) < VERSION:
        connection.execute(OPENINGS)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("INSERT INTO openings SELECT count(*) FROM events")
    connection.execute("COMMIT")


def _restarts(connection: sqlite3.Connection) -> list[int]:
    if _version(connection) < VERSION:
        return []
    return [after for (after,) in connection.execute("SELECT after FROM openings WHERE after > 0 ORDER BY rowid")]


def _check_writer(path: Path, connection: sqlite3.Connection, config: PeerConfig) -> None:
    """That this core, with these settings, wrote it and can go on."""
    written_by, stored = connection.execute("SELECT core, config FROM heading").fetchone() or (0, "{}")
    if written_by != core.VERSION:
        raise InputError(
            f"{path} was written by version {written_by} of the core, this is {core.VERSION}: "
            "use the version that wrote it, or start this peer anew with a new journal and a new wallet"
        )
    try:
        before: dict[str, Any] = dict(from_json(stored))
    except (ValueError, TypeError):
        raise InputError(f"{path} {DAMAGED}") from None
    old, new = _flat(before), _flat(encode(config))
    differences = [
        f"{name} {old.get(name)}, now {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)
    ]
    if differences:
        raise InputError(
            f"{path} was begun with other settings ({', '.join(differences)}): "
            "start it as it was started then, or anew with a new journal and a new wallet"
        )


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def _rows(path: Path, connection: sqlite3.Connection) -> Iterator[tuple[int, str, str]]:
    for expected, row in enumerate(connection.execute("SELECT number, event, digest FROM events ORDER BY number"), 1):
        if row[0] != expected:
            raise InputError(f"{path} {DAMAGED} (entry {expected} is missing)")
        yield row


def _decoded(path: Path, number: int, event: str, digest: str) -> Event:
    try:
        found: Event = decode(Event, from_json(event))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} {DAMAGED} (entry {number}: {error})") from None
    return found
