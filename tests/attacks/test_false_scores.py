"""Peers that report results which their work does not have: scores, trainings, averages, and the rows behind them.

What such a peer reports is consistent: it signs, announces, pays and is paid for it, and no check of the history sees
it.  ``learnae audit --replay`` names the peer and the step.
"""

import json
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers.identities import identity_keys
from tests.helpers.left_behind import leave
from tests.helpers.other_processor import OtherProcessor
from tests.helpers.swarms import Run, run, small

from learnae.adapters.run_directory import ENVIRONMENT
from learnae.adapters.sqlite_journal import SqliteJournal, read_blocks, read_journal
from learnae.backends.live_run import JOURNALS
from learnae.cli.findings import Findings
from learnae.cli.replay_output import print_replay
from learnae.errors import InputError
from learnae.lazy_future import lazy
from learnae.learn.model import create_network
from learnae.learn.serialization import decode_block, encode_block, weights_digest
from learnae.messages.wire import cid_of
from learnae.ports import Trainer
from learnae.protocol.actions import AverageModels, TrainSlice
from learnae.protocol.replay import digest, new_peer
from learnae.protocol.types import Cid, Commitment, ModelRef, PeerId, Score, Weights
from learnae.runs import replay_run
from learnae.runs.replay_run import ReplayOptions, ReplayOutcome
from learnae.runtime.learning import Blocks
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.settings import Session

TORCH = {"peers": 3, "data": {"rows": 200, "validation_rows": 100, "test_rows": 500}, "model": {"hidden": [8]}}
CHEAT = 1  # p01
FALSE_CALL = 2  # of its trainings, or of its averagings

Result = tuple[Weights, Score]
Falsify = Callable[[Blocks, Weights, Score], Result]


class FalseTrainer:
    """Reports something else for one training or one averaging."""

    def __init__(self, real: Trainer, blocks: Blocks, method: str, falsify: Falsify) -> None:
        self._real, self._blocks, self._method, self._falsify = real, blocks, method, falsify
        self._calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[Result]:
        return self._false("train", self._real.train(base, slice, visit, step, rows, earlier))

    def average(self, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()) -> Future[Result]:
        return self._false("average", self._real.average(base, remote, step, earlier))

    def _false(self, method: str, future: Future[Result]) -> Future[Result]:
        self._calls += method == self._method
        if method != self._method or self._calls != FALSE_CALL:
            return future
        return lazy(lambda: self._falsify(self._blocks, *future.result()))


class FalseLearning(TorchLearning):
    def __init__(self, session: Session, method: str, falsify: Falsify) -> None:
        super().__init__(session, threads=1)
        self._cheat = method, falsify

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        real = super().trainer(index, peer, session_id, blocks)
        return FalseTrainer(real, blocks, *self._cheat) if index == CHEAT else real


def better(blocks: Blocks, weights: Weights, score: Score) -> Result:
    return weights, Score(min(score.correct + 1, score.total), score.total)


def changed(share: float, blocks: Blocks, weights: Weights, score: Score) -> Result:
    """The model with noise; 0: with one bit of one weight changed."""
    network = create_network(SESSION.model, *WHOLE.table.shape)
    model = decode_block(network, blocks[weights.cid])
    tensor = model.weights + share * torch.randn(network.size, generator=torch.Generator().manual_seed(0))
    if not share:
        tensor[0] = torch.nextafter(tensor[0], torch.tensor(torch.inf))
    block = encode_block(network, tensor, model.metadata)
    blocks[cid_of(block)] = block
    return Weights(cid_of(block), weights_digest(tensor)), score


def perfect(blocks: Blocks, weights: Weights, score: Score) -> Result:
    """Other weights under the best score: the peer adopts its average for certain."""
    return changed(0.1, blocks, weights, Score(score.total, score.total))[0], Score(score.total, score.total)


HONEST = run(small(**TORCH), learning=partial(TorchLearning, threads=1), keys=identity_keys)
SESSION = HONEST.simulation.session
WHOLE = TorchLearning(SESSION, threads=1)


HERE = {"processor": "Z80", "packages": {"torch": "2"}}
DEVICE = {"device": "cpu"}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_run, "environment_facts", lambda: HERE)


def left(run: Run, folder: Path) -> Path:
    leave(run, folder)
    (folder / ENVIRONMENT).write_text(json.dumps(HERE | DEVICE), encoding="utf-8")
    return folder


def audit(folder: Path, **options: Any) -> ReplayOutcome:
    return replay_run.replay_run(folder, HONEST.history, ReplayOptions(**options))


def audit_of(method: str, falsify: Falsify, folder: Path, **options: Any) -> ReplayOutcome:
    """``falsify`` changes one result of p01."""
    cheated = run(small(**TORCH), learning=lambda session: FalseLearning(session, method, falsify), keys=identity_keys)
    assert cheated.failing == [], "no check of the history sees it"
    return audit(left(cheated, folder / "run"), **options)


def test_an_honest_run_is_executed_again_bit_by_bit(tmp_path: Path) -> None:
    outcome = audit(left(HONEST, tmp_path / "run"))
    assert (outcome.failures, outcome.wrong, outcome.missing, outcome.exact) == ([], [], [], True)
    assert outcome.replayed.executed["training"] == 12 and outcome.replayed.executed["averaging"] > 10


@pytest.mark.parametrize("method", ["train", "average"])
def test_a_false_score_is_named_with_its_peer_and_step(method: str, tmp_path: Path) -> None:
    outcome = audit_of(method, better, tmp_path)
    kind = TrainSlice if method == "train" else AverageModels
    [failure] = outcome.failures
    assert (failure.job.peer, type(failure.job.request)) == ("p01", kind)
    assert "of 100, executed again" in failure.text


@pytest.mark.parametrize("noise", [0, 1e-2])
def test_a_false_training_is_named_however_small_and_nothing_that_builds_on_it(noise: float, tmp_path: Path) -> None:
    outcome = audit_of("train", partial(changed, noise), tmp_path)
    [failure] = outcome.failures
    assert str(failure).startswith("p01, training for its model ") and outcome.missing == []


@pytest.mark.parametrize(("noise", "accepted"), [(1e-6, True), (1.0, False)])
def test_for_another_processor_only_small_differences_are_accepted(
    noise: float, accepted: bool, tmp_path: Path
) -> None:
    outcome = audit_of("train", partial(changed, noise), tmp_path, other_processor=True)
    assert len(outcome.replayed.differences) == 1
    assert bool(outcome.failures) is not accepted


@pytest.mark.parametrize("known", [True, False])
def test_another_processor_accuses_no_honest_peer(known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the user says so or the run does not tell."""
    folder = left(HONEST, tmp_path / "run")
    monkeypatch.setattr(replay_run, "TorchLearning", OtherProcessor)
    if not known:
        (folder / ENVIRONMENT).unlink()
    outcome = audit(folder, other_processor=known)
    assert len(outcome.accepted) == outcome.replayed.executed["training"] == 12
    assert (outcome.failures, outcome.missing) == ([], [])


def test_a_model_that_was_not_kept_cannot_be_verified_on_another_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = left(HONEST, tmp_path / "run")
    monkeypatch.setattr(replay_run, "TorchLearning", OtherProcessor)
    monkeypatch.setattr(replay_run, "_kept_blocks", lambda run: {})
    outcome = audit(folder, other_processor=True)
    assert outcome.failures == outcome.accepted == []
    not_kept, blocked = outcome.missing
    assert not_kept.startswith("3 results cannot be verified here, from p00, training for its model 1 ")
    assert "jobs were not executed again" in blocked
    code, _ = print_replay(folder, HONEST.history, 1.0, (), True, 1, Findings())
    assert code == 2
    assert "0 differ, 3 cannot be verified here." in capsys.readouterr().out
    assert len(audit(folder).failures) == 3, "on the processor of the run they would be false"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "{}",
        '{"processor": "Z80"}',
        '{"processor": null, "packages": {"torch": "2"}, "device": "cpu"}',
        '{"processor": "Z80", "packages": {"torch": "2"}, "device": "cuda NVIDIA H200"}',
    ],
)
def test_bits_decide_only_where_the_processor_is_known_to_be_the_same(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = left(HONEST, tmp_path / "run")
    (folder / ENVIRONMENT).unlink()
    if text:
        (folder / ENVIRONMENT).write_text(text, encoding="utf-8")
        monkeypatch.setitem(HERE, "processor", json.loads(text).get("processor", "Z80"))
    assert not audit(folder, share=0.001).exact


def test_a_false_average_is_named_also_for_another_processor(tmp_path: Path) -> None:
    outcome = audit_of("average", perfect, tmp_path, other_processor=True)
    [failure] = outcome.failures
    assert str(failure).startswith("p01, averaging for its model ") and "the journal has model" in failure.text
    assert "100 of 100" in failure.text


def test_a_small_share_of_the_steps_needs_few_others(tmp_path: Path) -> None:
    folder = left(HONEST, tmp_path / "run")
    one, some, everything = (audit(folder, share=share).replayed.executed.total() for share in (0.001, 0.3, 1.0))
    assert 1 <= one < some < everything
    mine = audit(folder, peers=["p02"])
    assert mine.failures == [] and mine.replayed.executed["training"] >= 4


def rewritten(folder: Path, **changes: Any) -> Path:
    """The run with other settings in the journal of p01, whose digests are those of what a peer does with them."""
    path = folder / JOURNALS / "p01.sqlite"
    (config, entries, *_), blocks = read_journal(path), read_blocks(path)
    path.unlink()
    with closing(SqliteJournal(path, replace(config, **changes))) as journal:
        journal.blocks.update(blocks)
        peer = new_peer(journal.config)
        for event, _ in entries:
            journal.append(event, digest(peer.handle(event)))
    return folder


class OtherRows(TorchLearning):
    """p01 commits to the rows of p02."""

    def commitment(self, index: int, salt: str | None = None) -> Commitment:
        return super().commitment(2 if index == CHEAT else index, salt)


def test_a_peer_that_announced_other_rows_is_named(tmp_path: Path) -> None:
    cheated = run(small(**TORCH), learning=partial(OtherRows, threads=1), keys=identity_keys)
    outcome = audit(left(cheated, tmp_path / "run"))
    assert outcome.wrong == ["p01 committed to other validation rows than the session dealt it (by its journal)."]
    assert outcome.failures == []


def test_a_peer_whose_journal_shows_its_own_rows_but_announced_others_is_named(tmp_path: Path) -> None:
    cheated = run(small(**TORCH), learning=partial(OtherRows, threads=1), keys=identity_keys)
    folder = rewritten(left(cheated, tmp_path / "run"), validation=WHOLE.commitment(CHEAT))
    [wrong] = audit(folder).wrong
    assert wrong == "p01 committed to other validation rows than the session dealt it (as p00 received it)."


def test_a_peer_that_took_part_with_other_settings_is_named(tmp_path: Path) -> None:
    cheap = replace(SESSION.reward, factor=SESSION.reward.factor / 2)
    outcome = audit(rewritten(left(HONEST, tmp_path / "run"), reward=cheap))
    assert outcome.wrong == ["p01 took part with other settings than the session's (reward)."]


def test_what_cannot_be_verified_is_said(tmp_path: Path) -> None:
    folder = left(HONEST, tmp_path / "run")
    (folder / JOURNALS / "p01.sqlite").unlink()
    outcome = audit(folder)
    assert outcome.failures == [] and len(outcome.missing) == 2
    assert "Nothing of p01 was executed again" in outcome.missing[0]
    assert "a model that they need is not in the run" in outcome.missing[1]


def test_rows_that_nobody_committed_to_are_refused(tmp_path: Path) -> None:
    folder = left(HONEST, tmp_path / "run")
    with pytest.raises(InputError, match="the rows here are not those that the peers committed to"):
        text = (folder / "session.toml").read_text(encoding="utf-8")
        (folder / "session.toml").write_text(text.replace("test_rows = 500", "test_rows = 501"), encoding="utf-8")
        audit(folder)
    (folder / "environment.json").write_text('{"data_sha256": "another"}')
    with pytest.raises(InputError, match="is not the data of the run"):
        audit(folder)
    with pytest.raises(InputError, match="there is no peer p77"):
        audit(folder, peers=["p77"])
