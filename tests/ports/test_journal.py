"""A peer's journal in SQLite: it keeps the port's promises, survives kills, and says in a sentence what is wrong."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.core.peers import config
from tests.drivers.swarms import run, small
from tests.ports.journals import ENTRIES, JournalSuite

from learnae.adapters.journal import RECENT, VERSION, SqliteJournal, export, needed
from learnae.core import actions as do
from learnae.core import events as on
from learnae.core.peer import VERSION as CORE
from learnae.core.replay import new_peer
from learnae.core.types import Cid, PeerConfig
from learnae.core.wire import cid_of
from learnae.errors import InputError
from learnae.ports import Journal

CONFIG = config()
ROOT = Path(__file__).parents[2]

# Appends for ever, one block an event, and says so once an event is durable.
WRITER = """
import sys
from pathlib import Path
from tests.core.peers import config
from learnae.adapters.journal import SqliteJournal
from learnae.core import events as on
from learnae.core.wire import cid_of

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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Journals]:
    journals = Journals(tmp_path)
    yield journals
    for each in journals.opened:
        each.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a journal with all events in it, closed."""
    journal = SqliteJournal(tmp_path / "peer.sqlite", CONFIG)
    for event, digest in ENTRIES:
        journal.append(event, digest)
    journal.close()
    return journal.path


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


class TestSqliteJournal(JournalSuite):
    pass


# kills


def test_of_a_killed_writer_everything_it_had_acknowledged_is_there(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "peer.sqlite", 0
    for lines in (1, 7, 40):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert writer.stdout
        for _ in range(lines):
            acknowledged = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        journal = SqliteJournal(path, CONFIG)
        events = [event for event, _ in journal.replay()]
        assert len(events) >= acknowledged
        assert events == [on.ModelStored(float(number), number) for number in range(len(events))]
        assert list(journal.blocks) == [cid_of(b"block %d" % number) for number in range(len(events))]
        journal.close()


def test_a_block_is_kept_with_the_next_event_and_not_before(world: Journals) -> None:
    world.opened[-1].blocks[cid_of(b"one")] = b"one"
    assert world.opened[-1].blocks[cid_of(b"one")] == b"one"
    assert cid_of(b"one") not in world.reopen().blocks
    world.opened[-1].blocks[cid_of(b"two")] = b"two"
    world.journal.append(*ENTRIES[0])
    assert dict(world.reopen().blocks) == {cid_of(b"two"): b"two"}


def test_what_is_left_of_a_removed_journal_does_not_come_back(world: Journals, tmp_path: Path) -> None:
    world.journal.append(*ENTRIES[0])
    new = tmp_path / "new.sqlite"
    shutil.copy(f"{world.path}-wal", f"{new}-wal")
    journal = SqliteJournal(new, CONFIG)
    assert journal.replay() == []
    journal.close()


def test_a_journal_whose_making_was_cut_off_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "peer.sqlite.new").write_bytes(b"SQLite format 3\0 and no")
    journal = SqliteJournal(tmp_path / "peer.sqlite", CONFIG)
    journal.append(*ENTRIES[0])
    journal.close()
    assert [each.name for each in tmp_path.glob("*.new")] == []


# blocks


def test_blocks_are_a_mapping(world: Journals) -> None:
    blocks = world.opened[-1].blocks
    cids = [cid_of(block) for block in (b"a", b"b", b"c")]
    blocks.update(zip(cids, (b"a", b"b", b"c"), strict=True))
    assert (len(blocks), list(blocks), blocks[cids[1]]) == (3, cids, b"b")
    del blocks[cids[1]]
    assert cids[1] not in blocks and blocks.get(cids[1]) is None
    with pytest.raises(KeyError):
        del blocks[cids[1]]


def test_pruning_keeps_what_it_is_told_to_and_the_newest(world: Journals) -> None:
    blocks = world.opened[-1].blocks
    cids = [cid_of(bytes([number])) for number in range(RECENT + 10)]
    for number, cid in enumerate(cids):
        blocks[cid] = bytes([number])
    assert blocks.prune({cids[3], cids[-1], Cid("of nobody")}) == 9
    assert list(blocks) == [cids[3], *cids[10:]]


def test_a_block_that_is_stored_again_is_new_again(world: Journals) -> None:
    blocks = world.opened[-1].blocks
    cids = [cid_of(bytes([number])) for number in range(RECENT)]
    for number, cid in [*enumerate(cids), (0, cids[0])]:
        blocks[cid] = bytes([number])
    blocks[cid_of(b"another")] = b"another"
    blocks.prune(())
    assert cids[0] in blocks and cids[1] not in blocks


def test_pruned_room_is_used_again(world: Journals) -> None:
    journal = world.opened[-1]
    for number in range(200):
        block = bytes([number]) * 25_000
        journal.blocks[cid_of(block)] = block
        journal.append(on.ModelStored(0.0, number), "")
        journal.blocks.prune(())
    journal.close()
    assert journal.path.stat().st_size < 3 * RECENT * 25_000
    world.opened.clear()


def test_a_peer_that_keeps_only_what_it_needs_lacks_nothing() -> None:
    """Every block it works with is one that was at hand and still is."""
    asked = 0
    for name, host in run(small(), journals=True).simulation.simulator.hosts.items():
        peer, at_hand, open_requests = new_peer(host.config), set[Cid](), dict[int, do.Action]()
        for event, _ in host.journal.entries:
            request = open_requests.get(getattr(event, "request", 0))
            match event, request:
                case on.ModelFetched(), do.FetchModel(cid=cid):
                    at_hand.add(cid)
                case ((on.ModelScored(weights=weights) | on.ModelForged(weights=weights)), _):
                    at_hand.add(weights.cid)
            for action in peer.handle(event):
                open_requests[getattr(action, "request", 0)] = action
                match action:
                    case do.StoreModel(cid=cid) | do.ScoreModel(cid=cid) | do.TrainSlice(base=cid):
                        used = {cid}
                    case do.AverageModels(base=cid, remote=remote):
                        used = {cid, remote.weights.cid}
                    case _:
                        used = set()
                assert used <= at_hand, (name, action)
                asked += len(used)
            at_hand &= needed(peer)
            assert len(at_hand) <= 5
    assert asked > 100


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
    assert "no journal" in sentence(tmp_path / "peer.sqlite")


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
    assert sentence(path).startswith(f"was written by version {CORE + 1} of the core, this is {CORE}")


def test_other_settings_are_named(path: Path) -> None:
    assert "(patience 2, now 3, cap " in sentence(path, config(patience=3, cap=1))


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


# export


def test_an_export_is_what_a_run_directory_holds(path: Path) -> None:
    lines = [json.loads(line) for line in export(path)]
    assert [line["digest"] for line in lines] == [digest for _, digest in ENTRIES]
    assert lines[0] == {"digest": "0" * 16, "kind": "Started", "at": 0.0}


def test_a_running_peer_can_be_read(world: Journals) -> None:
    world.journal.append(*ENTRIES[0])
    assert len(list(export(world.path))) == 1
    world.journal.append(*ENTRIES[1])
    assert len(list(export(world.path))) == 2


def test_a_killed_peer_can_be_read_and_is_left_as_it_was(world: Journals) -> None:
    for event, digest in ENTRIES:
        world.journal.append(event, digest)
    dead = world.folder / "dead.sqlite"
    for suffix in ("", "-wal"):
        shutil.copy(f"{world.path}{suffix}", f"{dead}{suffix}")
    before = [Path(f"{dead}{suffix}").read_bytes() for suffix in ("", "-wal")]
    assert len(list(export(dead))) == len(ENTRIES)
    assert [Path(f"{dead}{suffix}").read_bytes() for suffix in ("", "-wal")] == before


def test_of_a_damaged_journal_all_that_can_be_read_is_exported_first(path: Path) -> None:
    altered(path, "DELETE FROM events WHERE number = 3")
    lines = export(path)
    assert len([next(lines), next(lines)]) == 2
    with pytest.raises(InputError, match="entry 3"):
        next(lines)


@pytest.mark.parametrize("name", ["nothing.sqlite", "."])
def test_an_export_of_nothing_is_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="does not exist: give the journal of a peer"):
        next(export(tmp_path / name))


def test_learnae_history_prints_a_journal(path: Path) -> None:
    command = [sys.executable, "-m", "learnae", "history"]
    shown = subprocess.run([*command, str(path)], capture_output=True, text=True)
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == list(export(path))
    missing = subprocess.run([*command, "nothing.sqlite"], capture_output=True, text=True)
    assert missing.returncode == 2
    assert missing.stderr == "learnae: nothing.sqlite does not exist: give the journal of a peer, such as p00.sqlite\n"
