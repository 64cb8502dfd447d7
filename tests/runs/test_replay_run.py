"""``learnae audit --replay`` of a session that was live in one process, with peers of all kinds."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.command_line import Done, here, learnae, refused
from tests.helpers.other_processor import OtherProcessor

from learnae.adapters.kept_models import MODELS
from learnae.adapters.run_directory import ENVIRONMENT, RunDirectory
from learnae.backends.live_run import JOURNALS, JUDGING_SALT
from learnae.messages.codec import encode, to_json
from learnae.protocol.decisions import Averaged
from learnae.protocol.events import ModelScored
from learnae.protocol.replay import digest, new_peer
from learnae.records.history import SessionBegan
from learnae.records.outcome import BackendName
from learnae.runs import replay_run
from learnae.runs.run_journals import read_run_journals

pytestmark = pytest.mark.slow

SESSION = """
peers = 6
linger = 1.0
data = {rows = 300, validation_rows = 100, test_rows = 200, judging_rows = 100}
work = {slices = 3, patience = 3, idle_after = 1.0}
model = {hidden = [8]}
chain = {block_time = 0.2, poll = 0.2}
groups = [
    {count = 1, has_rows = false},
    {count = 1, policy = "copycat", forgery = "perturbed"},
    {count = 1, policy = "poisoner"},
    {},
]
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "session.toml").write_text(SESSION, encoding="utf-8")
    done = learnae(folder, "swarm", "session.toml", "--backend", "embedded", "--port", "0", "--out", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.fixture
def run(recorded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recorded, tmp_path / "run")


def audit(run: Path, *options: str) -> Done:
    return here(run.parent, "audit", run, "--replay", *options)


def test_a_live_session_is_executed_again_bit_by_bit(run: Path) -> None:
    done = audit(run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trainings" in done.stdout and "forgeries" in done.stdout and "executed again: all equal." in done.stdout
    assert len(list((run / MODELS).iterdir())) >= 9


def test_without_the_hosts_salt_the_judging_blocks_cannot_be_dealt_again(run: Path) -> None:
    (run / JUDGING_SALT).unlink()
    assert "the rows here are not those that the peers committed to" in audit(run).stderr


def test_without_its_models_it_is_executed_from_the_initial_weights_on(run: Path) -> None:
    shutil.rmtree(run / MODELS)
    done = audit(run)
    assert "executed again: all equal." in done.stdout, done.stdout
    assert done.returncode == 1 and "is missing" in done.stdout, "the seal notices it"


def test_an_edited_score_is_named_and_the_exit_code_is_1(run: Path) -> None:
    """Edited with all digests, so that the journal is consistent.  A rejected average stays rejected."""
    history = RunDirectory(run).read()
    config, entries, *_ = read_run_journals(run, history)["p05"]
    events = [event for event, _ in entries]
    averaged = [(record.t, fact) for record, fact in history.facts(Averaged) if record.peer == "p05"]
    rejected = {t for t, fact in averaged if not fact.adopted}
    last = max(n for n, event in enumerate(events) if isinstance(event, ModelScored) and round(event.at, 6) in rejected)
    edited = events[last]
    assert isinstance(edited, ModelScored)
    events[last] = replace(edited, score=replace(edited.score, correct=edited.score.correct - 1))
    peer, steps = new_peer(config), list[int]()
    path = run / JOURNALS / "p05.jsonl"
    heading = path.read_text(encoding="utf-8").splitlines()[0]
    lines = list[str]()
    for event in events:
        steps.append(peer.status().step)  # an average that is kept raises it
        lines.append(to_json({"digest": digest(peer.handle(event)), **encode(event)}))
    path.write_text("\n".join([heading, *lines, ""]), encoding="utf-8")
    done = audit(run)
    assert done.returncode == 1 and f"p05, averaging for its model {steps[last] + 1} " in done.stdout
    assert f"the journal has a score of {edited.score.correct - 1} of 100, executed again {edited.score.correct}" in (
        done.stdout
    )


def test_separate_peers_may_have_had_another_pytorch(run: Path) -> None:
    history, options = RunDirectory(run).read(), replay_run.ReplayOptions(share=0.01)
    assert replay_run.replay_run(run, history, options).exact
    began = [
        replace(record, fact=replace(record.fact, backend=BackendName.LIVE))
        for record in history.records
        if isinstance(record.fact, SessionBegan)
    ]
    of_separate_peers = replace(history, records=(*began, *history.records[1:]))
    assert began and not replay_run.replay_run(run, of_separate_peers, options).exact


def test_another_processor_is_tolerated_if_it_is_asked_for(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_run, "TorchLearning", OtherProcessor)
    done = audit(run, "--other-processor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "were accepted" in done.stdout and ": 0 differ." in done.stdout


def test_what_cannot_be_executed_is_said_and_a_broken_seal_decides_the_exit_code(run: Path) -> None:
    (run / JOURNALS / "p04.jsonl").unlink()
    done = audit(run)
    assert done.returncode == 1 and "Nothing of p04 was executed again" in done.stdout
    environment = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    (run / ENVIRONMENT).write_text(json.dumps(environment | {"data_sha256": "another"}), encoding="utf-8")
    refused(audit(run), "is not the data of the run")
    next((run / MODELS).iterdir()).write_bytes(b"damaged")
    (run / ENVIRONMENT).unlink()
    refused(audit(run), "is damaged")
