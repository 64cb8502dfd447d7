"""Somebody edits a run directory before it is handed in: 43 ways that `learnae check` must notice, 26 that audit must.

Most edits leave the seal as it is.  Some are made by somebody who judges and seals the run anew afterwards: then the
files contradict each other, or it takes what the recipient knows from elsewhere: the root, the signer's key, the rows.
"""

import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.helpers.command_line import here, refused
from tests.helpers.identities import identity, identity_keys
from tests.helpers.left_behind import leave, sign
from tests.helpers.swarms import run as simulated
from tests.helpers.swarms import small
from tests.helpers.tampering import (
    CHAIN,
    HISTORY,
    SESSION,
    Tamper,
    both,
    content,
    end_later,
    events,
    exchange,
    exchange_names,
    in_roster,
    in_seal,
    lines,
    linked,
    lower_last_score,
    records,
    removed,
    setting,
    shuffle_times,
    sql,
    swap_roles,
    verdict_of,
    without,
)

from learnae.adapters.run_directory import RunDirectory
from learnae.adapters.run_directory.seal import RUNNING, deviations, read_seal, seal_run
from learnae.file_lock import try_lock
from learnae.runs import consistency
from learnae.runs.drawing import write_report
from learnae.runtime.torch_learning import TorchLearning

pytestmark = pytest.mark.slow

TOML = """
name = "small"
peers = 3
[data]
rows = 200
validation_rows = 100
test_rows = 500
[work]
slices = 3
patience = 6
[model]
hidden = [8]
learning_rate = 0.2
[[groups]]
count = 1
policy = "refuses-to-pay"
[[groups]]
"""
TORCH = {"peers": 3, "data": {"rows": 200, "validation_rows": 100, "test_rows": 500}, "model": {"hidden": [8]}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated run, sealed."""
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "small.toml").write_text(TOML)
    done = here(folder, "simulate", "small.toml", "--out", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def live_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a live session leaves, sealed by its first audit."""
    session = simulated(small(**TORCH), learning=partial(TorchLearning, threads=1), keys=identity_keys)
    folder = leave(session, tmp_path_factory.mktemp("live") / "run")
    done = here(folder.parent, "audit", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to / "copy", symlinks=True))


PERFECT = records("Evaluated", setting(test=[500, 500]))
REJECTED = without(lambda record: record["kind"] == "Averaged" and not record["adopted"])
ROLES = records("SessionBegan", swap_roles)
TIMES = lines(HISTORY, shuffle_times)
JOURNALS = exchange("journals/p01.jsonl", "journals/p02.jsonl")
SETTINGS = content(SESSION, lambda text: text.replace(b"learning_rate = 0.2", b"learning_rate = 0.1"))
REPORT = content("report.html", lambda page: page.replace(b"<h1>", b"<h1>100 % "))
FIGURE = content("figures/fig6-accuracy.png", lambda picture: picture[:-20] + bytes(20))
RESULTS = verdict_of(lambda verdict: verdict["summary"].update(accuracy_test_mean=1.0))

ENVIRONMENT = content("environment.json", lambda text: text.replace(b'"data_sha256": "', b'"data_sha256": "0'))
ROLE = records("SessionBegan", lambda record: record["roster"][1].update(has_rows=False))
WALLETS = content("roster.json", lambda text: text.replace(b'"wallet":"0x', b'"wallet":"0x0'))
ROOT = "0" * 64

EDITED: dict[str, Tamper] = {
    "all test accuracies are 100 %": PERFECT,
    "rejected attempts are dropped": REJECTED,
    "roles are swapped": ROLES,
    "times are shuffled": TIMES,
    "journals are exchanged": JOURNALS,
    "settings are changed": SETTINGS,
    "the report is edited": REPORT,
    "a figure is replaced": FIGURE,
    "the verdict's summary is edited": RESULTS,
    "the wall time is edited": verdict_of(lambda verdict: verdict["summary"].update(wall_seconds=0.1)),
    "validation scores are raised": records("Trained", setting(score=[99, 100])),
    "a debt is dropped": without(lambda record: record["kind"] == "DebtChanged"),
    "amounts are raised": records("DebtChanged", setting(wei="1000000000000000000")),
    "payees are changed": records("DebtChanged", setting(payee="0x" + "11" * 20)),
    "wallets are changed": records("SessionBegan", lambda record: record["roster"][1].update(wallet="0x" + "22" * 20)),
    "a record is duplicated": lines(HISTORY, lambda text: [*text[:9], text[8], *text[9:]]),
    "records are reordered": lines(HISTORY, lambda text: [*text[:5], text[6], text[5], *text[7:]]),
    "the history is cut off": lines(HISTORY, lambda text: text[:-10]),
    "a record is appended": lines(HISTORY, lambda text: [*text, text[-2]]),
    "a byte order mark is put first": content(HISTORY, lambda text: b"\xef\xbb\xbf" + text),
    "line ends are changed": content(HISTORY, lambda text: text.replace(b"\n", b"\r\n")),
    "a transaction's hash is changed": content(CHAIN, lambda text: text.replace(b'"hash":"0x', b'"hash":"0xa')),
    "a block is dropped": lines(CHAIN, lambda text: [*text[:1], *text[2:]]),
    "the journals' folder has an empty file": content("journals/p00.jsonl", lambda text: b""),
    "a journal is removed": removed("journals/p01.jsonl"),
    "the environment is edited": ENVIRONMENT,
    "a file is added": content("journals/p03.jsonl", lambda text: b"{}\n"),
    "a hidden file is added": content(".notes", lambda text: b"hidden"),
    "the chain is a link": linked(CHAIN),
    "a figure is a link": linked("figures/overview.png"),
    "a figure is removed": removed("figures/fig7-payments.png"),
    "the seal is removed": removed("seal.json"),
    "the seal's root is changed": in_seal(lambda seal: seal.update(root="0" * 64)),
}

ANOTHER_KEY = "1" * 64
SEALED_ANEW: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "test accuracies are 100 %, against a rerun": (PERFECT, ("--rerun",)),
    "rejected attempts are dropped": (REJECTED, ()),
    "roles are swapped": (ROLES, ()),
    "times are shuffled": (TIMES, ()),
    "journals are exchanged": (JOURNALS, ()),
    "settings are changed": (SETTINGS, ()),
    "the report is edited": (REPORT, ()),
    "the verdict is edited": (RESULTS, ()),
    "the environment is edited, against the root": (ENVIRONMENT, ("--root", ROOT)),
    "the environment is edited, against the signer": (ENVIRONMENT, ("--signer", ANOTHER_KEY)),
}

AUDITED: dict[str, Tamper] = {
    "all test accuracies are 100 %": PERFECT,
    "rejected attempts are dropped": REJECTED,
    "a role is changed": ROLE,
    "times are shuffled": TIMES,
    "journals are exchanged": exchange("journals/p01.sqlite", "journals/p02.sqlite"),
    "settings are changed": content(SESSION, lambda text: text.replace(b"seed = 1", b"seed = 2")),
    "wallets are exchanged in the roster": WALLETS,
    "the history is removed": removed(HISTORY),
    "a journal is removed": removed("journals/p01.sqlite"),
    "an event is changed": sql("journals/p01.sqlite", "UPDATE events SET event = replace(event, '1', '2')"),
    "a digest is changed": sql("journals/p01.sqlite", "UPDATE events SET digest = 'other' WHERE number = 3"),
    "the end of a journal is dropped": sql("journals/p01.sqlite", "DELETE FROM events WHERE number > 9"),
    "the models of a journal are dropped": sql("journals/p01.sqlite", "DELETE FROM blocks"),
    "a write-ahead log is added": content("journals/p01.sqlite-wal", lambda text: bytes(100)),
    "a journal is added": content("journals/p03.sqlite", lambda text: b"journal"),
    "payments on the chain are raised": content(CHAIN, lambda text: text.replace(b'"wei":"', b'"wei":"9')),
    "the chain is cut off": lines(CHAIN, lambda text: text[:-1]),
    "the chain is a link": linked(CHAIN),
    "the verdict is edited": RESULTS,
    "the seal is removed": removed("seal.json"),
}

AUDITED_ANEW: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "test accuracies are 100 %": (PERFECT, ()),
    "rejected attempts are dropped": (REJECTED, ()),
    "a role is changed": (ROLE, ()),
    "wallets are exchanged in the roster": (WALLETS, ()),
    "a journal is removed": (removed("journals/p01.sqlite"), ()),
    "payments are raised, against the root": (AUDITED["payments on the chain are raised"], ("--root", ROOT)),
}


P01 = "journals/p01.sqlite"
NOT_SIGNED = "the journal of p01 is not the one that p01 signed"
FORGED: dict[str, tuple[Tamper, str]] = {
    "a score is lowered": (events(P01, lower_last_score), NOT_SIGNED),
    "the end is later": (events(P01, end_later), NOT_SIGNED),
    "an event is dropped": (events(P01, lambda text: [*text[:-2], text[-1]]), "complete, but has no signature of p01"),
    "journals are exchanged, and their names": (
        both(exchange(P01, "journals/p02.sqlite"), in_roster(exchange_names)),
        NOT_SIGNED,
    ),
    "a signature is removed": (sql(P01, "DELETE FROM signatures"), "complete, but has no signature of p01"),
    "another key signs": (lambda run: sign(run / P01, "p01", identity("mallory")), NOT_SIGNED),
    "the end is dropped": (events(P01, lambda text: text[:-1]), "so their journals are not signed: p01"),
}


def seal_anew(run: Path, thorough: bool) -> None:
    """``thorough``: with the verdict and the report that follow from the forged records."""
    if thorough:
        directory = RunDirectory(run)
        history = directory.read()
        write_report(directory, history, directory.judge(history, 1.0))
    else:
        seal_run(run)
    assert not deviations(run)


def test_43_and_26_tamperings_are_tried() -> None:
    assert (len(EDITED) + len(SEALED_ANEW), len(AUDITED) + len(AUDITED_ANEW)) == (43, 26)


def test_runs_that_nobody_edited_are_sound(run: Path, live_run: Path) -> None:
    for command, folder in (("check", run), ("check", live_run), ("audit", live_run)):
        seal = read_seal(folder)
        assert seal
        done = here(folder.parent, command, folder, "--root", seal.root)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tamper", EDITED.values(), ids=EDITED)
def test_check_notices_an_edit(run: Path, tmp_path: Path, tamper: Tamper) -> None:
    copy = copied(run, tmp_path)
    tamper(copy)
    assert deviations(copy)
    assert here(tmp_path, "check", copy).returncode in (1, 2)


@pytest.mark.parametrize(("tamper", "options"), SEALED_ANEW.values(), ids=SEALED_ANEW)
def test_check_notices_what_was_sealed_anew(
    run: Path, tmp_path: Path, tamper: Tamper, options: tuple[str, ...]
) -> None:
    copy = copied(run, tmp_path)
    tamper(copy)
    seal_anew(copy, thorough=tamper not in (REPORT, RESULTS))
    assert here(tmp_path, "check", copy, *options).returncode == 1


@pytest.mark.parametrize("tamper", AUDITED.values(), ids=AUDITED)
def test_audit_notices_an_edit(live_run: Path, tmp_path: Path, tamper: Tamper) -> None:
    copy = copied(live_run, tmp_path)
    tamper(copy)
    assert deviations(copy)
    assert here(tmp_path, "audit", copy).returncode in (1, 2)


@pytest.mark.parametrize(("tamper", "options"), AUDITED_ANEW.values(), ids=AUDITED_ANEW)
def test_audit_notices_what_was_sealed_anew(
    live_run: Path, tmp_path: Path, tamper: Tamper, options: tuple[str, ...]
) -> None:
    copy = copied(live_run, tmp_path)
    tamper(copy)
    seal_anew(copy, thorough=True)
    assert here(tmp_path, "audit", copy, *options).returncode in (1, 2)


@pytest.mark.parametrize(("tamper", "sentence"), FORGED.values(), ids=FORGED)
def test_an_edited_journal_is_noticed_though_history_chain_and_seal_follow_from_it(
    live_run: Path, tmp_path: Path, tamper: Tamper, sentence: str
) -> None:
    copy = copied(live_run, tmp_path)
    tamper(copy)
    for command in (("audit", copy, "--seal"), ("check", copy), ("audit", copy)):
        done = here(tmp_path, *command)
        assert done.returncode == 1 and sentence in " ".join(done.stdout.split()), done.stdout + done.stderr


def test_a_tampering_is_named_by_its_file(run: Path, tmp_path: Path) -> None:
    copy = copied(run, tmp_path)
    for tamper in (FIGURE, removed("journals/p01.jsonl"), content("more.txt", lambda text: b"more")):
        tamper(copy)
    printed = here(tmp_path, "check", copy).stdout
    for sentence in (
        "figures/fig6-accuracy.png was changed after the run was sealed",
        "journals/p01.jsonl is missing",
        "more.txt is not in the seal",
        "the journal of p01 is missing, but the history has its decisions",
    ):
        assert sentence in printed


def test_a_run_that_is_still_written_needs_no_seal_and_one_whose_writer_was_killed_does(
    run: Path, tmp_path: Path
) -> None:
    copy = copied(run, tmp_path)
    for name in ("seal.json", "verdict.json", "report.html"):
        removed(name)(copy)
    with (copy / RUNNING).open("w") as file:
        assert try_lock(file)
        done = here(tmp_path, "check", copy)
        assert done.returncode == 0 and "is still being written" in done.stdout
        assert here(tmp_path, "check", copy, "--root", ROOT).returncode == 1
    assert "is not sealed" in here(tmp_path, "check", copy).stdout


def test_of_a_large_simulated_session_no_journals_are_expected(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copied(run, tmp_path)
    shutil.rmtree(copy / "journals")
    seal_anew(copy, thorough=True)
    assert here(tmp_path, "check", copy).returncode == 1
    monkeypatch.setattr(consistency, "JOURNALS_UP_TO", 2)
    assert here(tmp_path, "check", copy).returncode == 0


@pytest.mark.parametrize("text", ["", "{}", '{"core":0,"config":{}}', "[" * 100_000])
def test_a_journal_without_its_heading_is_damaged(run: Path, tmp_path: Path, text: str) -> None:
    copy = copied(run, tmp_path)
    lines("journals/p01.jsonl", lambda journal: [text, *journal[1:]])(copy)
    done = here(tmp_path, "check", copy)
    assert done.returncode == 1 and "p01.jsonl is damaged, or another version of LEARNAE wrote it" in done.stdout


def test_a_journal_of_events_that_cannot_follow_each_other_is_named(run: Path, tmp_path: Path) -> None:
    copy = copied(run, tmp_path)
    lines("journals/p01.jsonl", lambda journal: [journal[0], *journal[:4:-1]])(copy)
    done = here(tmp_path, "check", copy)
    assert done.returncode == 1 and "the journal of p01 cannot be replayed" in done.stdout


def test_a_rerun_names_the_first_line_that_differs(run: Path, tmp_path: Path) -> None:
    copy = copied(run, tmp_path)
    PERFECT(copy)
    number = next(
        number for number, line in enumerate((run / HISTORY).read_text().splitlines(), 1) if '"Evaluated"' in line
    )
    assert (
        f"line {number} of history.jsonl is not what a rerun gives" in here(tmp_path, "check", copy, "--rerun").stdout
    )
    same = here(tmp_path, "check", run, "--rerun")
    assert same.returncode == 0 and "byte for byte" in same.stdout


def test_what_cannot_be_rerun_is_refused_with_the_reason(run: Path, live_run: Path, tmp_path: Path) -> None:
    refused(here(tmp_path, "check", live_run, "--rerun"), "is a live run, which no seed repeats")
    copy = copied(run, tmp_path)
    ENVIRONMENT(copy)
    refused(here(tmp_path, "check", copy, "--rerun"), "the data here is not that of the run")
    shutil.copy(run / "environment.json", copy)
    content("environment.json", lambda text: text.replace(b'"code_sha256": ', b'"code_sha256": "other", "was": '))(copy)
    PERFECT(copy)
    refused(here(tmp_path, "check", copy, "--rerun"), "the run was made elsewhere (code_sha256 'other', here")
    lines(HISTORY, lambda text: text[:-1])(copy)
    refused(here(tmp_path, "check", copy, "--rerun"), "was interrupted")
