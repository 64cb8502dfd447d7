"""What one live peer is put together from; the session itself is in tests/stack."""

import asyncio
from pathlib import Path

import pytest
from tests.helpers.command_line import Done, here, refused

from learnae.adapters.keystore import create_wallet
from learnae.adapters.memory import keys as public_ids
from learnae.adapters.sqlite_journal import JournalContents, SqliteJournal, read_journal
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION
from learnae.errors import InputError, PortError, Reason, input_error
from learnae.protocol.types import Commitment
from learnae.runtime import live_process
from learnae.runtime.clocks import Moment
from learnae.runtime.roster_file import Roster
from learnae.session.session_file import parse, to_toml
from learnae.session.setup import SessionSetup

AWAY = "http://127.0.0.1:1"
SETTINGS = parse({"peers": 2, "data": {"rows": 50, "validation_rows": 20, "test_rows": 20}, "model": {"hidden": [4]}})
IDS = Roster.of([public_ids("0"), public_ids("1")], Moment(1000.5, 7.5, "boot"))


def test_a_roster_is_read_as_it_was_written(tmp_path: Path) -> None:
    IDS.write(tmp_path / ROSTER)
    assert Roster.read(tmp_path / ROSTER) == IDS
    assert [each.name for each in IDS.members(SETTINGS)] == ["p00", "p01"]
    assert [each.wallet for each in IDS.members(SETTINGS)] == [each.wallet for each in IDS.peers]


def test_a_roster_fits_a_session_of_providers_and_profiteers() -> None:
    groups = [{"count": 1, "computes": False}, {"count": 1, "has_rows": False}]
    assert len(IDS.members(parse({"peers": 2, "privacy": False, "groups": groups}))) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "7", '{"version":1,"zero":{"unix":0.0},"peers":[{"name":"p00"}]}', "\xff"]
)
def test_what_is_no_roster_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / ROSTER).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="is not a roster"):
        Roster.read(tmp_path / ROSTER)


def test_a_roster_of_another_version_or_session_is_refused(tmp_path: Path) -> None:
    Roster(2, Moment(0.0), ()).write(tmp_path / ROSTER)
    with pytest.raises(InputError, match="version 2"):
        Roster.read(tmp_path / ROSTER)
    with pytest.raises(InputError, match="names 2 peers and the session has 3"):
        IDS.members(parse({"peers": 3}))


def test_what_the_user_can_mend_is_found_among_whatever_ended_a_peer() -> None:
    sentence = InputError("the disk is full")
    other = ValueError()
    assert (
        input_error(ExceptionGroup("", [other, ExceptionGroup("", [PortError(Reason.TIMEOUT), sentence])])) is sentence
    )
    assert input_error(ExceptionGroup("", [other])) is None


def test_a_peer_that_was_told_something_wrong_says_so_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / SESSION).write_text(to_toml(SETTINGS))

    def started(**instead: object) -> Done:
        options = {"name": "p00", "roster": ROSTER, "kubo": AWAY, "rpc": AWAY, "keystore": "key", "journal": "journal"}
        arguments = [part for option, value in (options | instead).items() for part in (f"--{option}", value)]
        return here(tmp_path, "peer", SESSION, *arguments)

    refused(started(), ROSTER)
    IDS.write(tmp_path / ROSTER)
    refused(started(), "key")
    wallet = create_wallet(tmp_path / "key")
    refused(started(), f"the keystore is of {wallet.address}")
    Roster.of([public_ids("0"), (public_ids("1")[0], wallet.address)]).write(tmp_path / ROSTER)
    refused(started(name="p07"), "p07 is not in the roster")
    for url in ("127.0.0.1:5001", "http://127.0.0.1", "http://127.0.0.1:many", "https://127.0.0.1:5001"):
        refused(started(name="p01", kubo=url), "the Kubo RPC URL must look like")
    refused(started(name="p01"), "cannot be used", "start it")
    assert not (tmp_path / "journal").exists()


def test_an_audit_names_the_peers_whose_journals_are_missing(tmp_path: Path) -> None:
    (tmp_path / SESSION).write_text(to_toml(SETTINGS))
    refused(here(tmp_path, "audit", "."), ROSTER)
    IDS.write(tmp_path / ROSTER)
    done = here(tmp_path, "audit", ".")
    assert done.returncode == 1
    assert "p00 (absent), p01 (absent) did not finish" in done.stdout
    assert "the chain's export is missing" in done.stdout
    refused(here(tmp_path, "audit", ".", "--rpc", "http://127.0.0.1:1"), "could not be read")
    (tmp_path / "rpc").write_text("http://127.0.0.1:1")
    refused(here(tmp_path, "audit", ".", "--rpc", "rpc"), "chmod 600")


def test_an_audit_of_a_damaged_journal_says_so(tmp_path: Path) -> None:
    (tmp_path / SESSION).write_text(to_toml(SETTINGS))
    IDS.write(tmp_path / ROSTER)
    (tmp_path / JOURNALS).mkdir()
    (tmp_path / JOURNALS / "p00.sqlite").write_bytes(b"damaged")
    refused(here(tmp_path, "audit", "."), "p00.sqlite", "is damaged")


def test_a_journal_knows_whose_it_is_without_being_told(tmp_path: Path) -> None:
    config = SessionSetup(SETTINGS, IDS.members(SETTINGS), 0, "", str.encode).config(0, Commitment("ab" * 32, "salt"))
    SqliteJournal(tmp_path / "p00.sqlite", config).close()
    assert read_journal(tmp_path / "p00.sqlite") == JournalContents(config, [], [])
    with pytest.raises(InputError, match="does not exist"):
        read_journal(tmp_path / "p01.sqlite")


@pytest.mark.parametrize(
    ("failures", "patience", "answer"),
    [
        ([Reason.TIMEOUT, Reason.UNREACHABLE], 60.0, "ok"),
        ([Reason.TIMEOUT], 0.0, None),
        ([Reason.INVALID_RESPONSE], 60.0, None),
    ],
)
def test_a_kubo_node_that_is_busy_is_asked_again_for_a_while(
    failures: list[Reason], patience: float, answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_process, "RETRY_AFTER", 0.0)
    left = list(failures)

    async def ask() -> str:
        if left:
            raise PortError(left.pop(0))
        return "ok"

    if answer:
        assert asyncio.run(live_process.answered(AWAY, ask, patience)) == answer
    else:
        with pytest.raises(InputError, match="cannot be used"):
            asyncio.run(live_process.answered(AWAY, ask, patience))
