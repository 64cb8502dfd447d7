"""Labels that are numbers: how they are standardised, learnt, scored, kept and predicted."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers.peers import own_plugin
from tests.learn.small import SESSION, Swarm

from learnae.errors import InputError
from learnae.learn.datasets import shard_file
from learnae.learn.datasets.dataset import Dataset, standardise
from learnae.learn.datasets.labels import Quantity
from learnae.learn.datasets.partition import load_partitioned, partition
from learnae.learn.evaluation import Evaluator
from learnae.learn.metrics import SCALE, Estimates, measured, r2
from learnae.learn.predictor import TorchPredictor
from learnae.protocol.types import Score
from learnae.runtime.shard_learning import ROWS, ShardLearning, commit_rows
from learnae.session.settings import ScoreSettings, Session
from learnae.session.task import REGRESSION

MEAN, STD = 150.0, 77.0
NUMBERS = replace(
    SESSION,
    data=replace(SESSION.data, path="rows.csv", label="k", task=REGRESSION),
    model=replace(SESSION.model, loss="mse"),
    score=ScoreSettings("r2"),
)


def table(rows: int = 1000) -> Dataset:
    """A noisy linear function of the features, as it is read: neither features nor labels are standardised."""
    dice = torch.Generator().manual_seed(0)
    features = torch.randn(rows, 5, generator=dice, dtype=torch.float64)
    labels = features.sum(1) / 5**0.5 + 0.3 * torch.randn(rows, generator=dice, dtype=torch.float64)
    return Dataset(features, labels * STD + MEAN, label=Quantity())


def swarm(session: Session = NUMBERS) -> Swarm:
    return Swarm(session, table=table())


def seen(labels: list[float], outputs: list[float]) -> Estimates:
    return Estimates(torch.tensor(labels, dtype=torch.float64), torch.tensor(outputs, dtype=torch.float64))


def test_r2_is_the_exact_share_of_the_variance_that_is_explained() -> None:
    assert r2(seen([1, 2, 3, 6], [1, 2, 4, 5])) == 1 - Fraction(2, 14)
    assert r2(seen([1, 2, 3], [1, 2, 3])) == 1
    assert r2(seen([1, 2, 3], [2, 2, 2])) == 0 == r2(seen([1, 2, 3], [9, 9, 9])), "worse than the mean is worth nothing"
    assert [r2(seen([4, 4], [4, other])) for other in (4, 5)] == [1, 0], "labels without variance"


def test_numbers_that_are_not_finite_are_worth_nothing() -> None:
    assert measured("r2", torch.ones(3), torch.full((3, 1), float("inf")), Quantity().seen) == Score(0, SCALE)


def test_labels_are_standardised_by_the_rows_that_peers_train_on_and_by_no_others() -> None:
    raw = table()
    raw.labels[partition(raw, NUMBERS).test] += 1e6
    made, split = load_partitioned(NUMBERS, raw)
    trained = torch.cat([rows.train for rows in split.peers])
    assert made.labels.dtype == torch.float32
    assert abs(made.labels[trained].mean()) < 1e-5 and abs(made.labels[trained].std(correction=0) - 1) < 1e-5
    assert isinstance(made.label, Quantity)
    assert (made.label.mean, made.label.std) == pytest.approx((MEAN, STD), rel=0.2)
    assert made.statistics["label"] == {"mean": made.label.mean, "std": made.label.std}
    assert split.notice and "always naming that mean has an R² of 0" in split.notice


@pytest.mark.parametrize(
    "labels", [torch.ones(9), *(size * torch.tensor([1.0, -1] * 5).double() for size in (1e300, 1e130, 1e-170))]
)
def test_labels_of_training_rows_that_cannot_be_standardised_are_refused(labels: torch.Tensor) -> None:
    raw = Dataset(torch.randn(len(labels), 2, dtype=torch.float64), labels.double(), label=Quantity())
    with pytest.raises(InputError, match="the same value in all training rows, or values that are too large"):
        standardise(raw, torch.arange(len(labels)))


@pytest.mark.parametrize("labels", [[1e200, 2e200], [1e-3, 2e-3]])
def test_numbers_that_are_too_large_to_square_are_worth_nothing(labels: list[float]) -> None:
    assert r2(seen(labels, [1e300, -1e300])) == 0 == r2(seen(labels, [float("inf"), 0.0]))


def test_one_test_row_has_a_deviation() -> None:
    assert "mean 3 and standard deviation 0." in Quantity().hint(torch.tensor([3.0]))


def test_peers_learn_the_numbers_and_are_tested_by_r2() -> None:
    world = swarm()
    made = world.published(0)
    [untrained, tested] = Evaluator(world.pool, world.table, world.session, world.blocks).accuracy(
        [(world.initial, world.split.test), (made.weights.cid, world.split.test)]
    )
    assert tested.total == SCALE and untrained.correct < SCALE // 20 < SCALE // 10 < tested.correct


def test_a_metric_of_ones_own_sees_labels_and_outputs_in_their_unit() -> None:
    near = own_plugin(
        "def near(seen):\n    return float(((seen.labels - seen.outputs).abs() < 60).double().mean())", "near"
    )
    world = swarm(replace(NUMBERS, score=ScoreSettings(near)))
    score = world.trainers[0].train(world.initial, 0, 0, 1).result()[1]
    assert score.total == SCALE and SCALE // 2 < score.correct
    assert 100 < measured(near, world.table.labels, torch.zeros(len(world.table), 1), world.table.label.seen).correct


def test_a_prediction_is_the_number_in_the_unit_of_the_label() -> None:
    world = swarm()
    cid, rows = world.published(0).weights.cid, world.split.test
    predictor = TorchPredictor(world.session, world.table, world.blocks, world.pool.models)
    found = predictor.predict(cid, table().features[rows].tolist(), False)
    assert {len(answer) for answer in found} == {1} and predictor.widths[-1] == 1
    wanted = table().labels[rows]
    [score] = Evaluator(world.pool, world.table, world.session, world.blocks).accuracy([(cid, rows)])
    explained = r2(Estimates(wanted, torch.tensor(found, dtype=torch.float64)[:, 0]))
    assert float(explained) == pytest.approx(score.accuracy, abs=1e-3)


def test_a_peer_has_the_same_labels_and_commitment_from_its_file_as_from_the_whole_table(tmp_path: Path) -> None:
    world = swarm()
    rows = world.split.peers[2]
    shard_file.save(tmp_path / ROWS, world.table, rows)
    learning = ShardLearning(NUMBERS, tmp_path)
    held, found = shard_file.load(tmp_path / ROWS)
    assert learning.statistics == world.table.statistics == held.statistics
    assert torch.equal(held.labels[found.train], world.table.labels[rows.train])
    features, labels = (part.numpy() for part in world.table.select(rows.validation))
    commitment = learning.commitment(2)
    assert commitment == commit_rows(commitment.salt, features, labels)
    moved = np.nextafter(labels, np.float32(9))
    assert commitment != commit_rows(commitment.salt, features, moved), "it covers each bit of the labels"
