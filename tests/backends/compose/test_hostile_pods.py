"""What a pod leaves in its journal folder costs nobody but itself anything: the host, possibly root, collects it."""

import asyncio
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.compose_stage import NAMES, PLAN
from tests.helpers.peers import config

from learnae.adapters.sqlite_journal import SqliteJournal, read_journal
from learnae.backends.live_run import JOURNALS, ROSTER, sound_journals
from learnae.backends.pods import collect as collecting
from learnae.backends.pods.collect import collect, collect_journals
from learnae.backends.pods.plan import USUAL_MODEL
from learnae.protocol import events as on
from learnae.protocol.replay import digest, new_peer
from learnae.protocol.types import Address, PeerId
from learnae.runtime.roster_file import Roster

SECRET = "the private key of p01"
CONFIGS = [replace(config(), peer=PeerId(f"peer{n}"), wallet=Address(f"wallet{n}")) for n in range(len(NAMES))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """build/swarm/ after a session of three peers."""
    folder = tmp_path / "swarm"
    for name, mine in zip(NAMES, CONFIGS, strict=True):
        (folder / JOURNALS / name).mkdir(parents=True)
        started = on.Started(0.0)
        with closing(SqliteJournal(folder / JOURNALS / name / f"{name}.sqlite", mine)) as journal:
            journal.append(started, digest(new_peer(mine).handle(started)))
    (folder / "pods" / "p01").mkdir(parents=True)
    (folder / "pods" / "p01" / "wallet.json").write_text(SECRET)
    Roster.of([(mine.peer, mine.wallet) for mine in CONFIGS]).write(folder / ROSTER)
    return folder


def collected(folder: Path) -> tuple[Path, list[str]]:
    """The run directory, and what the host says about journals."""
    run, said = folder.parent / "run", list[str]()
    collect_journals(PLAN, folder, run, said.append)
    shutil.copyfile(folder / ROSTER, run / ROSTER)
    return run, said


def a_link_to_a_private_key(journal: Path) -> None:
    journal.symlink_to(journal.parents[2] / "pods" / "p01" / "wallet.json")


def a_relative_link_to_a_private_key(journal: Path) -> None:
    journal.symlink_to("../../pods/p01/wallet.json")


def a_hard_link_to_a_private_key(journal: Path) -> None:
    os.link(journal.parents[2] / "pods" / "p01" / "wallet.json", journal)


def a_link_to_nothing(journal: Path) -> None:
    journal.symlink_to("nothing")


def a_link_to_itself(journal: Path) -> None:
    journal.symlink_to(journal.name)


def a_fifo(journal: Path) -> None:
    os.mkfifo(journal)


def a_socket(journal: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    os.chdir(journal.parent)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(journal.name)
    os.chdir(here)
    os.close(here)


def a_device(journal: Path) -> None:
    journal.symlink_to("/dev/zero")


def a_folder(journal: Path) -> None:
    journal.mkdir()


def an_endless_file(journal: Path) -> None:
    with journal.open("wb") as file:
        file.truncate(1 << 40)


ATTACKS = [
    a_link_to_a_private_key,
    a_relative_link_to_a_private_key,
    a_hard_link_to_a_private_key,
    a_link_to_nothing,
    a_link_to_itself,
    a_fifo,
    a_socket,
    a_device,
    a_folder,
    an_endless_file,
]


@pytest.mark.parametrize("suffix", ["", "-wal"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pod_loses_its_own_journal_and_no_other(
    folder: Path, attack: Callable[[Path], None], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MAX_FILE", 1 << 20)
    path = folder / JOURNALS / "p00" / f"p00.sqlite{suffix}"
    path.unlink(missing_ok=True)
    attack(path)
    run, said = collected(folder)
    assert len(said) == 1 and said[0].startswith("The journal of p00 was not collected: ")
    assert sorted(path.name for path in (run / JOURNALS).iterdir()) == ["p01.sqlite", "p02.sqlite"]
    for name, mine in zip(NAMES[1:], CONFIGS[1:], strict=True):
        assert read_journal(run / JOURNALS / f"{name}.sqlite").config == mine
    assert not any(SECRET in path.read_text("latin-1") for path in run.rglob("*") if path.is_file())


def test_journals_may_be_larger_where_models_are(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_FILE", 1 << 20)
    journal, initial = folder / JOURNALS / "p00" / "p00.sqlite", folder / "pods" / "p00" / "peer" / "initial"
    os.truncate(journal, 2 << 20)
    run, said = collected(folder)
    assert said == [f"The journal of p00 was not collected: {journal} is not read: it exceeds {1 << 20} bytes"]
    initial.mkdir(parents=True)
    (initial / "p00.safetensors").touch()
    os.truncate(initial / "p00.safetensors", USUAL_MODEL + (1 << 18))
    run, said = collected(folder)
    assert (run / JOURNALS / "p00.sqlite").stat().st_size == 2 << 20 and not said


def test_a_pod_folder_that_is_a_link_is_not_entered(folder: Path) -> None:
    (folder / JOURNALS / "p00").rename(folder / "elsewhere")
    (folder / JOURNALS / "p00").symlink_to(folder / "elsewhere")
    run, said = collected(folder)
    assert len(said) == 1 and "a link leads to it" in said[0]


def test_every_sound_journal_is_collected_with_its_write_ahead_log(folder: Path) -> None:
    (folder / JOURNALS / "p02" / "p02.sqlite-wal").write_bytes(b"log")
    run, said = collected(folder)
    assert said == []
    for path in (folder / JOURNALS).rglob("*.sqlite*"):
        if not path.name.endswith(".lock"):
            assert (run / JOURNALS / path.name).read_bytes() == path.read_bytes()


def a_text(path: Path) -> None:
    path.write_text("hello")


def the_journal_of_another(path: Path) -> None:
    path.write_bytes(path.with_name("p01.sqlite").read_bytes())


def impossible_events(path: Path) -> None:
    path.unlink()
    with closing(SqliteJournal(path, CONFIGS[0])) as journal:
        for number in range(3):
            journal.append(on.ModelStored(0.0, number), "digest")


@pytest.mark.parametrize("attack", [a_text, the_journal_of_another, impossible_events])
def test_a_wrong_journal_does_not_prevent_the_history_of_the_others(
    folder: Path, attack: Callable[[Path], None]
) -> None:
    run, _ = collected(folder)
    attack(run / JOURNALS / "p00.sqlite")
    peers, session = Roster.read(run / ROSTER).peers, CONFIGS[0].session
    journals, [said] = sound_journals(run, peers, session)
    assert journals.keys() == {"p01", "p02"}
    assert said.startswith("The journal of p00 is left out")
    kept = {path.name for path in (run / JOURNALS).iterdir() if path.suffix in (".sqlite", ".wrong")}
    assert kept == {"p00.sqlite.wrong", "p01.sqlite", "p02.sqlite"}
    assert sound_journals(run, peers, session) == (journals, [])


def test_a_chain_that_cannot_be_exported_costs_no_journal_and_no_roster(folder: Path) -> None:
    run, said = folder.parent / "run", list[str]()
    asyncio.run(collect(PLAN, folder, "http://127.0.0.1:1", run, said.append))  # there is no session, either
    assert (run / ROSTER).read_bytes() == (folder / ROSTER).read_bytes()
    assert all((run / JOURNALS / f"{name}.sqlite").is_file() for name in NAMES)
    [line] = said
    assert line.startswith("The chain could not be exported: ")
