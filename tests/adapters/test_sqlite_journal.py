"""A peer's journal in SQLite keeps its port's promises, survives kills, holds blocks and can be exported."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from tests.adapters.journals import ENTRIES, JournalSuite
from tests.adapters.sqlite_journals import CONFIG, ROOT, WRITER, Journals, altered, written
from tests.helpers.peers import config
from tests.helpers.swarms import run, small

from learnae.adapters.sqlite_journal import (
    KEPT_BYTES,
    MAX_JOURNAL,
    JournalContents,
    SqliteJournal,
    blocks_expected,
    blocks_in_use,
    journal_lines,
    read_block,
    read_journal,
)
from learnae.adapters.sqlite_journal.blocks import RECENT, RECENT_BYTES
from learnae.backends.pods.plan import USUAL_MODEL
from learnae.errors import InputError
from learnae.messages.wire import cid_of
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.fetches import READY, STRANGERS
from learnae.protocol.policies import ModelForged
from learnae.protocol.replay import new_peer
from learnae.protocol.types import Cid

SCALE = 256  # by how much the blocks of a test are smaller


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Journals]:
    with closing(Journals(tmp_path)) as journals:
        yield journals


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


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


def test_a_reopened_journal_keeps_its_salt_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    """A live peer draws a salt at each start; the one that its journal has counts."""
    path = tmp_path / "peer.sqlite"
    SqliteJournal(path, config(salt="drawn first")).close()
    with closing(SqliteJournal(path, config(salt="drawn later"))) as journal:
        assert journal.config == config(salt="drawn first")
        assert {name.stat().st_mode & 0o077 for name in (path, *tmp_path.glob("peer.sqlite-*"))} == {0}
    assert read_journal(path).config.salt == "drawn first"
    assert "drawn" not in repr(journal.config)


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


def test_deleting_a_large_model_needs_no_temporary_file(world: Journals) -> None:
    in_memory = 2
    assert world.opened[-1].connection.execute("PRAGMA temp_store").fetchone() == (in_memory,)


def test_of_large_blocks_fewer_count_as_new(world: Journals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learnae.adapters.sqlite_journal.blocks.RECENT_BYTES", 250)
    blocks = world.opened[-1].blocks
    cids = [cid_of(bytes([number]) * 100) for number in range(5)]
    for number, cid in enumerate(cids):
        blocks[cid] = bytes([number]) * 100
    assert blocks.prune({cids[0]}) == 2
    assert list(blocks) == [cids[0], *cids[3:]]


def test_large_blocks_whose_events_may_be_on_their_way_stay(world: Journals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learnae.adapters.sqlite_journal.blocks.RECENT_BYTES", 50)
    blocks = world.opened[-1].blocks
    cids = [cid_of(bytes([number]) * 100) for number in range(5)]
    for number, cid in enumerate(cids):
        blocks[cid] = bytes([number]) * 100
    assert (blocks.prune((), 2), list(blocks)) == (3, cids[3:])


def test_a_journal_with_the_largest_models_of_a_pod_is_collected(
    world: Journals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learnae.adapters.sqlite_journal.blocks.RECENT_BYTES", RECENT_BYTES // SCALE)
    journal, numbers = world.opened[-1], count()

    def add(size: int) -> Cid:
        block = next(numbers).to_bytes(4) * (size // SCALE // 4)
        journal.blocks[cid := cid_of(block)] = block
        return cid

    rows = {add(900_000) for _ in range(60)}
    trained = {add(USUAL_MODEL) for _ in range(KEPT_BYTES // USUAL_MODEL)}
    for number in range(30):
        in_use = {add(USUAL_MODEL) for _ in range(4)}
        journal.append(on.ModelStored(0.0, number), "")
        journal.blocks.prune(rows | trained | in_use)
    journal.close()
    assert journal.path.stat().st_size < MAX_JOURNAL // SCALE
    world.opened.clear()


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
            expected, before = blocks_expected(peer), len(at_hand)
            match event, request:
                case on.ModelFetched(), do.FetchModel(cid=cid):
                    at_hand.add(cid)
                case ((on.ModelScored(weights=weights) | ModelForged(weights=weights)), _):
                    at_hand.add(weights.cid)
            assert len(at_hand) - before <= expected
            for action in peer.handle(event):
                open_requests[getattr(action, "request", 0)] = action
                match action:
                    case do.StoreModel(cid=cid) | do.ScoreModel(cid=cid) | do.TrainSlice(base_cid=cid):
                        used = {cid}
                    case do.AverageModels(base_cid=cid, remote=remote):
                        used = {cid, remote.weights.cid}
                    case _:
                        used = set()
                assert used <= at_hand, (name, action)
                asked += len(used)
            at_hand &= blocks_in_use(peer, host.config.initial_weights)
            assert len(at_hand) <= 5 + READY + STRANGERS
    assert asked > 100


# export


def test_an_export_is_what_a_run_directory_holds(path: Path) -> None:
    lines = [json.loads(line) for line in journal_lines(path)]
    assert [line["digest"] for line in lines] == [digest for _, digest in ENTRIES]
    assert lines[0] == {"digest": "0" * 16, "kind": "Started", "at": 0.0}


def test_a_running_peer_can_be_read(world: Journals) -> None:
    world.journal.append(*ENTRIES[0])
    assert len(list(journal_lines(world.path))) == 1
    world.journal.append(*ENTRIES[1])
    assert len(list(journal_lines(world.path))) == 2


def test_others_read_an_entry_when_it_is_durable(world: Journals) -> None:
    world.journal.append(*ENTRIES[0], durable=False)
    assert len(list(journal_lines(world.path))) == 0
    world.journal.append(*ENTRIES[1])
    assert len(list(journal_lines(world.path))) == 2


def test_a_killed_peer_can_be_read_and_is_left_as_it_was(world: Journals) -> None:
    for event, digest in ENTRIES:
        world.journal.append(event, digest)
    dead = world.folder / "dead.sqlite"
    for suffix in ("", "-wal"):
        shutil.copy(f"{world.path}{suffix}", f"{dead}{suffix}")
    before = [Path(f"{dead}{suffix}").read_bytes() for suffix in ("", "-wal")]
    assert len(list(journal_lines(dead))) == len(ENTRIES)
    assert [Path(f"{dead}{suffix}").read_bytes() for suffix in ("", "-wal")] == before


def test_of_a_damaged_journal_all_that_can_be_read_is_exported_first(path: Path) -> None:
    altered(path, "DELETE FROM events WHERE number = 3")
    lines = journal_lines(path)
    assert len([next(lines), next(lines)]) == 2
    with pytest.raises(InputError, match="entry 3"):
        next(lines)


@pytest.mark.parametrize(("name", "told"), [("nothing.sqlite", "does not exist"), (".", "is a folder")])
def test_an_export_of_nothing_is_a_sentence(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(InputError, match=f"{told}: give the journal of a peer"):
        next(journal_lines(tmp_path / name))


def test_learnae_history_prints_a_journal(path: Path) -> None:
    command = [sys.executable, "-m", "learnae", "history"]
    shown = subprocess.run([*command, str(path)], capture_output=True, text=True)
    assert shown.returncode == 0
    assert shown.stdout.splitlines() == list(journal_lines(path))
    missing = subprocess.run([*command, "nothing.sqlite"], capture_output=True, text=True)
    assert missing.returncode == 2
    assert missing.stderr == "learnae: nothing.sqlite does not exist: give the journal of a peer, such as p00.sqlite\n"


def test_of_a_journal_that_is_continued_the_signature_of_its_end_counts(world: Journals) -> None:
    world.journal.append(*ENTRIES[0], "of one")
    assert read_journal(world.path).signature == "of one"
    world.reopen().append(*ENTRIES[1])
    assert read_journal(world.path).signature is None
    world.journal.append(*ENTRIES[2], "of three")
    assert read_journal(world.path) == JournalContents(CONFIG, ENTRIES[:3], [1], "of three")


# restarts


def test_each_opening_after_the_first_events_is_a_restart(world: Journals) -> None:
    world.journal.append(*ENTRIES[0])
    assert read_journal(world.path) == JournalContents(CONFIG, ENTRIES[:1], [])
    world.reopen().append(*ENTRIES[1])
    world.reopen()
    assert read_journal(world.reopen().path).restarts == [1, 2, 2]


def before_openings_were_noted(path: Path) -> None:
    altered(path, "DROP TABLE openings")
    altered(path, "PRAGMA user_version = 1")


def test_a_journal_of_version_1_is_read_and_left_as_it_was(path: Path) -> None:
    before_openings_were_noted(path)
    before = path.read_bytes()
    assert read_journal(path) == JournalContents(CONFIG, ENTRIES, [])
    assert len(list(journal_lines(path))) == len(ENTRIES)
    assert path.read_bytes() == before


def test_a_journal_of_version_1_is_continued_as_one_of_this_version(path: Path) -> None:
    before_openings_were_noted(path)
    with closing(SqliteJournal(path, CONFIG)) as journal:
        assert journal.replay() == ENTRIES
        journal.append(*ENTRIES[0])
    assert read_journal(path).restarts == [len(ENTRIES)]


def test_a_block_can_be_read_while_the_peer_runs(world: Journals) -> None:
    world.opened[-1].blocks[cid_of(b"weights")] = b"weights"
    assert read_block(world.path, cid_of(b"weights")) is None
    world.journal.append(*ENTRIES[0])
    assert read_block(world.path, cid_of(b"weights")) == b"weights"
    altered(world.path, "UPDATE blocks SET block = x'00'")
    assert read_block(world.path, cid_of(b"weights")) is None
