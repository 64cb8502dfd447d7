"""Whatever is wrong with a journal's file, the user reads one sentence, and nothing that was acknowledged is lost."""

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from tests.adapters.journals import ENTRIES
from tests.adapters.sqlite_journals import CONFIG, ROOT, WRITER, Journals, altered, sentence, written
from tests.helpers.peers import config

from learnae.adapters.sqlite_journal import SqliteJournal
from learnae.adapters.sqlite_journal.file_format import VERSION
from learnae.errors import InputError
from learnae.messages.wire import cid_of
from learnae.protocol import events as on
from learnae.protocol.peer import VERSION as CORE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Journals]:
    with closing(Journals(tmp_path)) as journals:
        yield journals


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


# what can be wrong with a file


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.8])
def test_a_truncated_journal_is_damaged(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert sentence(path).startswith("is damaged")


def test_a_journal_that_lost_nothing_but_unused_room_is_whole(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])
    journal = SqliteJournal(path, CONFIG)
    assert journal.replay() == ENTRIES
    journal.close()


def test_a_truncated_wal_is_an_earlier_state(world: Journals) -> None:
    """As after a power cut: a prefix of the journal, never something else."""
    for event, digest in ENTRIES:
        world.journal.append(event, digest)
    source, wal = world.path, Path(f"{world.path}-wal").read_bytes()
    lengths = set()
    for size in range(0, len(wal), len(wal) // 50):
        copy = world.folder / f"cut-{size}.sqlite"
        shutil.copy(source, copy)
        Path(f"{copy}-wal").write_bytes(wal[:size])
        journal = SqliteJournal(copy, CONFIG)
        found = journal.replay()
        journal.close()
        assert found == ENTRIES[: len(found)]
        lengths.add(len(found))
    assert len(lengths) > 5


def test_whatever_bytes_are_spoilt_the_answer_is_a_journal_or_a_sentence(path: Path) -> None:
    whole, dice, refused = path.read_bytes(), random.Random(5), 0
    for number in range(150):
        spoilt = bytearray(whole)
        for _ in range(dice.randint(1, 20)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        copy = path.with_name(f"{number}.sqlite")
        copy.write_bytes(spoilt)
        try:
            journal = SqliteJournal(copy, CONFIG)
        except InputError:
            refused += 1
            continue
        try:
            journal.replay()
            journal.append(*ENTRIES[0])
        except InputError:
            refused += 1
        journal.close()
    assert refused > 20


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events WHERE number = 3",
        "UPDATE events SET event = '{}' WHERE number = 3",
        "UPDATE events SET event = x'00' WHERE number = 3",
        "UPDATE events SET event = replace(event, 'Model', 'Moodle')",
    ],
)
def test_a_damaged_entry_is_named(path: Path, damage: str) -> None:
    altered(path, damage)
    journal = SqliteJournal(path, CONFIG)
    with pytest.raises(InputError, match="entry 3"):
        journal.replay()
    journal.close()


@pytest.mark.parametrize("damage", ["DROP TABLE events", "DROP TABLE heading", "UPDATE heading SET config = 'x'"])
def test_a_journal_without_its_parts_is_damaged(path: Path, damage: str) -> None:
    altered(path, damage)
    with pytest.raises(InputError, match="damaged"), closing(SqliteJournal(path, CONFIG)) as journal:
        journal.replay()


def test_a_spoilt_block_is_never_given_out(path: Path) -> None:
    journal = SqliteJournal(path, CONFIG)
    journal.blocks[cid_of(b"weights")] = b"weights"
    journal.append(*ENTRIES[0])
    journal.close()
    altered(path, "UPDATE blocks SET block = x'00'")
    journal = SqliteJournal(path, CONFIG)
    with pytest.raises(InputError, match="damaged"):
        journal.blocks[cid_of(b"weights")]
    journal.close()


def another_database(path: Path) -> None:
    altered(path, "CREATE TABLE others (x)")


def a_text(path: Path) -> None:
    path.write_text("hello\n" * 1000)


@pytest.mark.parametrize("make", [another_database, a_text, Path.touch])
def test_another_kind_of_file_is_no_journal(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "peer.sqlite")
    assert "not a journal" in sentence(tmp_path / "peer.sqlite")


def test_a_folder_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "peer.sqlite").mkdir()
    assert "cannot be written" in sentence(tmp_path / "peer.sqlite")


def test_a_journal_in_no_folder_cannot_be_written(tmp_path: Path) -> None:
    assert "cannot be written" in sentence(tmp_path / "nowhere" / "peer.sqlite")


def test_a_newer_format_asks_for_the_newer_program(path: Path) -> None:
    altered(path, f"PRAGMA user_version = {VERSION + 1}")
    assert sentence(path).startswith(f"has format {VERSION + 1}")


def test_another_core_does_not_go_on(path: Path) -> None:
    altered(path, f"UPDATE heading SET core = {CORE + 1}")
    assert sentence(path).startswith(f"was written by version {CORE + 1} of the protocol, this is {CORE}")


def test_other_settings_are_named(path: Path) -> None:
    assert "(work.patience 2, now 3, reward.cap 1, now 2)" in sentence(path, config(patience=3, cap=Decimal(2)))


def test_a_refused_journal_can_be_opened_once_it_is_right(path: Path) -> None:
    sentence(path, config(patience=3))
    journal = SqliteJournal(path, CONFIG)
    assert journal.replay() == ENTRIES
    journal.close()


# others


def test_two_peers_cannot_write_one_journal(world: Journals) -> None:
    assert "another process" in sentence(world.path)
    world.journal.append(*ENTRIES[0])


def test_another_process_is_noticed(world: Journals) -> None:
    arguments = [sys.executable, "-c", WRITER, str(world.path)]
    writer = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert "another process" in writer.stderr


def test_another_programs_lock_is_noticed(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    assert "another process" in sentence(path)
    other.close()


# no room


def test_on_a_full_disk_nothing_acknowledged_is_lost_and_nothing_more_is_taken(world: Journals) -> None:
    journal, taken = world.opened[-1], 0
    pages = journal.connection.execute("PRAGMA page_count").fetchone()[0]
    journal.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(InputError, match="disk is full"):
        for taken in range(1000):  # noqa: B007
            journal.append(on.ModelStored(0.0, taken), "digest")
    journal.connection.execute("PRAGMA max_page_count = 100000")
    with pytest.raises(InputError, match="disk is full"):
        journal.append(on.ModelStored(0.0, taken), "digest")
    with pytest.raises(InputError, match="disk is full"):
        journal.blocks[cid_of(b"weights")] = b"weights"
    assert [event for event, _ in world.reopen().replay()] == [on.ModelStored(0.0, each) for each in range(taken)]


def test_a_limit_on_file_sizes_is_named_and_loses_nothing(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))"
    arguments = [sys.executable, "-c", limit + WRITER, str(tmp_path / "peer.sqlite")]
    writer = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert "InputError" in writer.stderr and "limits on file sizes" in writer.stderr
    journal = SqliteJournal(tmp_path / "peer.sqlite", CONFIG)
    assert len(journal.replay()) == int(writer.stdout.split()[-1]) > 5
    journal.close()
