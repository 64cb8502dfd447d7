"""A live session's folder is all that an audit needs: restarts and accuracies on test rows are in its history, too."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from tests.helpers.command_line import here, refused
from tests.helpers.identities import identity, identity_keys
from tests.helpers.left_behind import leave, sign
from tests.helpers.swarms import Run, run, small

from learnae.adapters.run_directory import RunDirectory
from learnae.adapters.sqlite_journal import JournalContents, SqliteJournal, read_block, read_journal
from learnae.backends import live_run
from learnae.backends.live_run import JOURNALS, SESSION
from learnae.cli import audit
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, PeerRestarted, Record
from learnae.records.seal import SEAL
from learnae.runtime import history_from_journals
from learnae.runtime.history_from_journals import decisions
from learnae.runtime.torch_learning import TorchLearning

COLD = "0x" + "c0" * 20
TORCH = {"peers": 3, "data": {"rows": 200, "validation_rows": 100, "test_rows": 500}, "model": {"hidden": [8]}}


@pytest.fixture(scope="module")
def session() -> Run:
    return run(
        small({}, {"count": 1, "payout": COLD}, **TORCH), learning=partial(TorchLearning, threads=1), keys=identity_keys
    )


@pytest.fixture
def folder(session: Run, tmp_path: Path) -> Path:
    return leave(session, tmp_path / "run")


def test_an_audit_has_the_accuracy_of_each_peers_last_model_on_the_test_rows(session: Run, folder: Path) -> None:
    done = here(folder.parent, "audit", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found, simulated = RunDirectory(folder).verdict()["summary"], session.verdict["summary"]
    same = [name for name in simulated if name not in ("wall_seconds", "virtual_seconds")]
    assert {name: found[name] for name in same} == {name: simulated[name] for name in same}
    assert found["accuracy_test_mean"] > 0.5
    last = {record.peer: fact for record, fact in session.history.facts(Evaluated)}
    assert {record.peer: fact for record, fact in RunDirectory(folder).read().facts(Evaluated)} == last


def test_an_audit_as_json_has_every_payment_and_every_account_to_the_wei(session: Run, folder: Path) -> None:
    done = here(folder.parent, "audit", folder, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found, verdict = json.loads(done.stdout), RunDirectory(folder).verdict()
    assert {name: found[name] for name in ("verdict", "checks", "summary")} == {
        name: verdict[name] for name in ("verdict", "checks", "summary")
    }
    assert (found["problems"], found["replay"]) == ([], None)
    final = [payment for payment in found["payments"] if payment["state"] == "final"]
    assert len(found["payments"]) == len(session.history.debts)
    assert sum(payment["wei"] for payment in final) == sum(wei for *_, wei in session.payments()) > 0
    for account in found["accounts"]:
        spent = account["sent_wei"] + account["gas_wei"]
        own = 0 if account["payout"] else account["received_wei"]
        assert account["before_wei"] + own - spent == account["after_wei"]
    paid_out = found["accounts"][2]
    assert paid_out["payout"] == COLD and paid_out["payout_wei"] == paid_out["received_wei"] > 0
    assert (
        f"in {COLD}, which has {audit._ether(paid_out['payout_wei'])}, spent"
        in here(folder.parent, "audit", folder).stdout
    )
    assert sum(account["received_wei"] for account in found["accounts"]) == sum(payment["wei"] for payment in final)


@pytest.mark.slow
def test_an_audit_lists_what_was_paid_for_rows_and_recomputes_it(tmp_path: Path) -> None:
    groups = [{"count": 1}, {"count": 1, "computes": False}, {"count": 1, "has_rows": False}]
    settings = small(*groups, **TORCH, privacy=False, reward={"data": "0.05"})
    session = run(settings, learning=partial(TorchLearning, threads=1), keys=identity_keys)
    folder = leave(session, tmp_path / "run")
    done = here(tmp_path, "audit", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    tested = {record.peer: fact for record, fact in session.history.facts(Evaluated)}
    assert {record.peer: fact for record, fact in RunDirectory(folder).read().facts(Evaluated)} == tested, "p01's, too"
    assert re.search(r"p02: 0\.\d+ ETH to p0\d for 0\.\d+ to 0\.\d+ by rows bafk\w+: final", done.stdout)
    checks = RunDirectory(folder).verdict()["checks"]
    assert checks["row_debts_are_exact"]["result"] == "valid"


def test_a_journal_that_arrives_late_is_sealed_on_request(folder: Path) -> None:
    late = folder / JOURNALS / "p01.sqlite"
    late.rename(folder.parent / "late.sqlite")
    first = here(folder.parent, "audit", folder)
    assert first.returncode == 1 and "p01 (absent) did not finish" in first.stdout and not (folder / SEAL).exists()
    (folder.parent / "late.sqlite").rename(late)
    unsealed = here(folder.parent, "audit", folder)
    assert unsealed.returncode == 1 and "is not sealed" in unsealed.stdout
    sealed = here(folder.parent, "audit", folder, "--seal")
    assert sealed.returncode == 0 and "Sealed with root " in sealed.stdout
    before = (folder / SEAL).read_bytes()
    assert here(folder.parent, "audit", folder).returncode == 0
    late.write_bytes(late.read_bytes() + b"more")
    named = here(folder.parent, "audit", folder, "--seal")
    assert "p01.sqlite was changed after the run was sealed" in named.stdout and (folder / SEAL).read_bytes() != before


def test_a_broken_seal_outweighs_work_that_cannot_be_executed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert here(folder.parent, "audit", folder).returncode == 0
    monkeypatch.setattr(audit, "print_replay", lambda *arguments: (2, {}))
    assert here(folder.parent, "audit", folder, "--replay").returncode == 2
    (folder / "notes").touch()
    assert here(folder.parent, "audit", folder, "--replay").returncode == 1


def test_at_collection_a_wrong_journal_is_left_out_and_the_others_are_replayed_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replayed: list[str] = []

    def counted(name: str, contents: JournalContents) -> Iterator[Record]:
        replayed.append(name)
        return decisions(name, contents)

    monkeypatch.setattr(history_from_journals, "decisions", counted)
    (folder / JOURNALS / "p01.sqlite").write_text("damaged")
    [notice] = live_run.collect_history(folder, None)
    assert notice.startswith("The journal of p01 is left out and kept as p01.sqlite.wrong: ")
    assert replayed == ["p00", "p02"]
    assert {record.peer for record in RunDirectory(folder).read().records} == {"swarm", "p00", "p02"}


def test_a_journal_that_another_core_wrote_is_refused_by_name(folder: Path) -> None:
    with closing(sqlite3.connect(folder / JOURNALS / "p01.sqlite")) as connection, connection:
        connection.execute("UPDATE events SET digest = 'other' WHERE number = 3")
    refused(here(folder.parent, "audit", folder), "the journal of p01 cannot be replayed: journal entry 3")


def test_without_the_rows_an_audit_says_what_it_lacks_and_does_the_rest(folder: Path) -> None:
    text = (folder / SESSION).read_text()
    (folder / SESSION).write_text(text.replace('source = "hepmass-like"', 'source = "gone.npz"'))
    done = here(folder.parent, "audit", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    [notice] = [line for line in done.stdout.splitlines() if "gone.npz" in line]
    assert notice.startswith("Test accuracies are missing: ")
    assert RunDirectory(folder).verdict()["summary"]["accuracy_test_mean"] is None


def test_a_peer_with_a_damaged_model_costs_no_other_its_accuracy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(path: Path, cid: Cid) -> bytes | None:
        return b"no model" if path.name == "p01.sqlite" else read_block(path, cid)

    monkeypatch.setattr(live_run, "read_block", damaged)
    [notice] = live_run.write_history(folder)
    assert notice.startswith("Test accuracies are missing of p01 (")
    assert {record.peer for record, _ in RunDirectory(folder).read().facts(Evaluated)} == {"p00", "p02"}


def test_who_lost_its_last_model_has_no_accuracy(session: Run, folder: Path) -> None:
    config, entries, *_ = read_journal(folder / JOURNALS / "p01.sqlite")
    (folder / JOURNALS / "p01.sqlite").unlink()
    with closing(SqliteJournal(folder / JOURNALS / "p01.sqlite", config)) as journal:
        for event, digest in entries:
            journal.append(event, digest)
    sign(folder / JOURNALS / "p01.sqlite", "p01", identity("p01"))
    assert here(folder.parent, "audit", folder).returncode == 0
    assert {record.peer for record, _ in RunDirectory(folder).read().facts(Evaluated)} == {"p00", "p02"}


def test_a_peer_that_came_back_restarted_when_it_was_told_the_next_thing(session: Run) -> None:
    host = session.host("p00")
    config, entries = host.config, host.journal.entries
    told = list(decisions("p00", JournalContents(config, entries, [5, 5, len(entries)])))
    restarts = [record.t for record in told if isinstance(record.fact, PeerRestarted)]
    assert restarts == [entries[5][0].at] * 2 + [entries[-1][0].at]
    rest = [record for record in told if record.fact != PeerRestarted()]
    assert rest == list(decisions("p00", JournalContents(config, entries, [])))
    assert told.index(next(r for r in told if r.fact == PeerRestarted())) == sum(r.t < restarts[0] for r in rest)


def test_an_audit_calls_debts_reported_if_a_pool_splits_the_fees_and_counts_what_it_paid(tmp_path: Path) -> None:
    settings = small(**TORCH, defence={"kind": "profiles", "window": 100})
    folder = leave(run(settings, learning=partial(TorchLearning, threads=1), keys=identity_keys), tmp_path / "run")
    done = here(tmp_path, "audit", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ": reported, transaction" in done.stdout and ": final" not in done.stdout
    accounts = json.loads(here(tmp_path, "audit", folder, "--json").stdout)["accounts"]
    for account in accounts:
        assert account["sent_wei"] + account["pooled_wei"] == 10**16, "the fee"
        spent = account["sent_wei"] + account["pooled_wei"] + account["gas_wei"]
        assert account["before_wei"] + account["received_wei"] - spent == account["after_wei"]
