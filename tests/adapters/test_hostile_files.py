"""Run directories and journals that somebody else made, and two runs that begin at once."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from tests.adapters.journals import ENTRIES
from tests.adapters.sqlite_journals import CONFIG, altered, written

from learnae import untrusted_file
from learnae.adapters.run_directory import CHAIN, HISTORY, VERDICT, RunDirectory
from learnae.adapters.sqlite_journal import SqliteJournal, read_journal
from learnae.adapters.sqlite_journal.file_format import MAX_VALUE
from learnae.errors import InputError
from learnae.untrusted_file import open_untrusted

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x"


def test_runs_that_begin_in_the_same_second_get_a_directory_each(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: RunDirectory.create(tmp_path / "runs", "name").path, range(64)))
    assert len(set(runs)) == 64 == len(list((tmp_path / "runs").iterdir()))


def test_two_runs_in_one_directory_do_not_mix(tmp_path: Path) -> None:
    first, second = (RunDirectory.create(tmp_path, "name", tmp_path / "out") for _ in range(2))
    first.begin("first", {})
    with pytest.raises(InputError, match="already contains a run"):
        second.begin("second", {})
    assert (tmp_path / "out" / "session.toml").read_text() == "first"
    first.end((), {})


def test_a_name_with_slashes_stays_below_its_folder(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "runs", "../../x")
    assert run.path.parent == tmp_path / "runs" and run.path.is_dir()


@pytest.mark.parametrize("name", [HISTORY, CHAIN, VERDICT, "session.toml", "journals", "journals/p00.jsonl"])
@pytest.mark.parametrize("target", ["victim", "nothing"])
def test_no_link_in_a_directory_is_written_through(tmp_path: Path, name: str, target: str) -> None:
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (tmp_path / "victim").write_text("precious")
    (out / name).symlink_to(tmp_path / target)
    for use in (lambda: RunDirectory.create(tmp_path, "name", out), lambda: RunDirectory(out).read()):
        with pytest.raises(InputError, match="is a link"):
            use()
    assert (tmp_path / "victim").read_text() == "precious" and not (tmp_path / "nothing").exists()


def test_a_fifo_in_a_run_does_not_block_its_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / HISTORY)
    with pytest.raises(InputError, match="special file"):
        RunDirectory(tmp_path).read()


@pytest.mark.parametrize("name", [".git", "seal.json", "notes"])
def test_a_run_begins_only_in_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    """Whatever else is there would be sealed, or prevent the seal, when the session is over."""
    (tmp_path / name).mkdir()
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(InputError, match=f"contains {name}, and a run needs a folder of its own"):
        RunDirectory.create(tmp_path, "name", tmp_path)
    (tmp_path / name).rmdir()
    RunDirectory.create(tmp_path, "name", tmp_path).release()


def test_a_file_of_a_pod_has_one_name_and_one_of_a_run_may_have_more(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("own")
    os.link(tmp_path / "journal", tmp_path / "backup")
    with pytest.raises(InputError, match="not a regular file with one name"), open_untrusted(tmp_path, "journal"):
        pass
    with open_untrusted(tmp_path, "journal", linked=True) as file:
        assert file.read() == b"own"


def test_the_journal_of_a_killed_peer_is_read_in_a_read_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There SQLite cannot index the write-ahead log."""
    journal = SqliteJournal(tmp_path / "peer.sqlite", CONFIG)
    for event, digest in ENTRIES:
        journal.append(event, digest)
    folder, connect = tmp_path / "read-only", sqlite3.connect
    folder.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(f"{journal.path}{suffix}", folder)
    journal.close()

    def refusing(database: str, uri: bool) -> sqlite3.Connection:
        return connect(database.replace(folder.as_uri(), f"{folder.as_uri()}/missing"), uri=uri)

    monkeypatch.setattr(sqlite3, "connect", refusing)
    assert read_journal(folder / "peer.sqlite").entries == list(ENTRIES)
    assert sorted(path.name for path in folder.iterdir()) == ["peer.sqlite", "peer.sqlite-wal"]
    (folder / "peer.sqlite-wal").write_bytes(b"")
    with pytest.raises(InputError, match="unable to open database file"):
        read_journal(folder / "peer.sqlite")


def test_an_opened_file_is_the_one_that_was_checked(tmp_path: Path) -> None:
    """Although its name leads to another by the time it is read."""
    (tmp_path / "journal").write_text("own")
    (tmp_path / "secret").write_text("secret")
    with open_untrusted(tmp_path, "journal") as file:
        (tmp_path / "journal").unlink()
        (tmp_path / "journal").symlink_to("secret")
        assert file.read() == b"own"


@pytest.mark.parametrize(
    "attack",
    [
        f"DROP TABLE events; CREATE VIEW events AS {ENDLESS} AS number, '' AS event, '' AS digest FROM n",
        f"CREATE VIEW more AS {ENDLESS} FROM n",
        "CREATE TABLE more (x, y AS (x || x))",
        "CREATE TRIGGER more AFTER INSERT ON events BEGIN DELETE FROM events; END",
        "DROP TABLE openings; CREATE VIEW openings AS SELECT 1 AS after",
        f"UPDATE events SET event = zeroblob({MAX_VALUE + 1}) WHERE number = 1",
        f"UPDATE heading SET config = CAST(zeroblob({MAX_VALUE + 1}) AS TEXT)",
    ],
)
def test_a_journal_of_another_schema_or_with_endless_values_is_damaged(tmp_path: Path, attack: str) -> None:
    path = written(tmp_path)
    for statement in attack.split("; ") if "TRIGGER" not in attack else [attack]:
        altered(path, statement)
    with pytest.raises(InputError, match="damaged or not a journal"):
        read_journal(path)


def a_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("make", [a_link, os.mkfifo, os.mkdir])
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_the_files_beside_a_journal_are_regular_files(
    tmp_path: Path, make: Callable[[Path], None], suffix: str
) -> None:
    path = written(tmp_path)
    make(path.with_name(path.name + suffix))
    with pytest.raises(InputError, match="is not a regular file"):
        read_journal(path)


def test_the_schema_of_a_sound_journal_is_its_own(tmp_path: Path) -> None:
    path = written(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        assert len(connection.execute("SELECT * FROM sqlite_master").fetchall()) == 7
    assert read_journal(path).entries


def test_a_file_that_grows_while_it_is_copied_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is that of a small file when it is checked."""
    monkeypatch.setattr(untrusted_file, "CHUNK", 10)
    (tmp_path / "journal").write_bytes(bytes(1000))
    small = os.stat_result((0o100600, 0, 0, 1, 0, 0, 5, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda descriptor: small)
    with pytest.raises(InputError, match="exceeds 100 bytes"):
        untrusted_file.copy_untrusted(tmp_path, "journal", to=tmp_path / "copy", limit=100)
    assert not (tmp_path / "copy").exists()
