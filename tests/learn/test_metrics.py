"""Metrics: a number from 0 to 1 in exact fixed point, and no peer or journal is harmed by one that raises."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from tests.helpers.peers import own_plugin
from tests.learn.small import SESSION, TABLE, Swarm, compute, network, weights

from learnae.learn import batching
from learnae.learn.batching import ScoreJob
from learnae.learn.evaluation import Evaluator
from learnae.learn.metrics import SCALE, Predictions, accuracy, auc, f1, measured
from learnae.plugins import PluginError
from learnae.ports import ScoredDespite
from learnae.protocol.types import Score
from learnae.session.settings import ScoreSettings, Session

LABELS = torch.tensor([0, 0, 0, 1, 1])
OUTPUTS = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
SEEN = Predictions(LABELS, OUTPUTS.log())


def own(body: str) -> Session:
    return replace(SESSION, score=ScoreSettings(own_plugin(f"def metric(seen):\n    {body}", "metric")))


def test_accuracy_f1_and_auc_are_exact() -> None:
    assert accuracy(SEEN) == Fraction(3, 5)
    assert f1(SEEN) == (Fraction(4, 6) + Fraction(2, 4)) / 2
    assert auc(SEEN) == Fraction(9, 12), "of 6 pairs 4 are ranked right and 1 alike, by either class"


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_auc_ranks_pairs_as_counting_them_does_also_where_a_model_is_sure(scale: float) -> None:
    dice = np.random.default_rng(1)
    labels, logits = dice.integers(0, 3, 40), dice.integers(0, 5, (40, 3)) * scale
    counted = []
    for label in range(3):
        others = np.logaddexp.reduce(np.delete(logits, label, axis=1), axis=1)
        odds = np.round(logits[:, label] - others, 3)
        pairs = [(a, b) for a in odds[labels == label] for b in odds[labels != label]]
        counted.append(Fraction(sum(2 * (a > b) + (a == b) for a, b in pairs), 2 * len(pairs)))
    seen = Predictions(torch.tensor(labels), torch.tensor(logits, dtype=torch.float32))
    assert auc(seen) == sum(counted) / 3


def test_logits_that_are_not_finite_are_worth_nothing() -> None:
    for bad in (float("nan"), float("inf")):
        assert measured("auc", LABELS, torch.full((5, 2), bad)) == Score(0, SCALE)


def test_metrics_of_many_rows_are_measured_job_by_job_and_stay_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, net = replace(TABLE, metric="auc"), network()
    for shared in (True, False):
        jobs = [
            ScoreJob(net, weights(net, seed), rows, indices)
            for seed, indices in enumerate([torch.arange(40)] * 3 if shared else torch.split(torch.arange(120), 40))
        ]
        together = [result.score for result in compute(jobs)]
        with monkeypatch.context() as patch:
            patch.setattr(batching, "MAX_OUTPUTS", 60)
            assert [result.score for result in compute(jobs)] == together
        assert len(set(together)) == 3


def test_rows_of_one_class_have_no_order() -> None:
    assert auc(Predictions(torch.zeros(3, dtype=torch.int64), torch.rand(3, 2))) == Fraction(1, 2)


def test_a_score_is_rounded_down_to_a_millionth() -> None:
    logits = OUTPUTS.log()
    assert measured("f1", LABELS, logits) == Score(583_333, SCALE)
    assert measured("auc", LABELS, logits) == Score(750_000, SCALE)
    for body, expected in (("return 1", SCALE), ("return 0.2499999999", 249_999), ("return 0", 0)):
        assert measured(own(body).score.metric, LABELS, logits) == Score(expected, SCALE)


@pytest.mark.parametrize(
    "answer", ["torch.tensor(0.75)", "torch.tensor(0.75).numpy()[()]", "torch.tensor(0.75).numpy()"]
)
def test_a_tensor_or_an_array_without_dimensions_is_the_number_that_it_holds(answer: str) -> None:
    assert measured(own(f"import torch; return {answer}").score.metric, LABELS, OUTPUTS) == Score(750_000, SCALE)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("None", "returned None: return an int, float or Fraction from 0 to 1"),
        ("True", "returned True: return an int, float or Fraction"),
        ("'1'", "returned a str: return an int, float or Fraction"),
        ("seen.outputs.mean(0)", r"returned a Tensor of shape \(2,\): return an int, float or Fraction"),
        ("10**9999", "returned an int: return a number from 0 to 1"),
        ("61.0", "returned 61.0: return a number from 0 to 1"),
        ("-0.1", "returned -0.1: return a number"),
        ("float('nan')", "returned nan: return a number"),
    ],
)
def test_anything_else_is_an_error_of_the_metric(answer: str, error: str) -> None:
    with pytest.raises(PluginError, match=f"line 1: {error}"):
        measured(own(f"return {answer}").score.metric, LABELS, OUTPUTS)


def test_a_swarm_trains_averages_and_is_tested_by_the_metric() -> None:
    world = Swarm(replace(SESSION, score=ScoreSettings("auc")))
    own_model, remote = world.published(0), world.published(1)
    made, score = world.trainers[0].average(own_model.weights.cid, remote, 2).result()
    assert score.total == SCALE and 0 < score.correct < SCALE
    assert world.trainers[0].score(made.cid, None).result()[1] == score
    (tested,) = Evaluator(world.pool, world.table, world.session, world.blocks).accuracy([(made.cid, world.split.test)])
    assert tested.total == SCALE and tested.correct > SCALE // 2


def test_accuracy_as_a_plug_in_is_the_accuracy_that_is_built_in() -> None:
    plain, counted = Swarm(), Swarm(own("return float((seen.chosen == seen.labels).double().mean())"))
    scores = [world.trainers[0].train(world.initial, 0, 0, 1).result() for world in (plain, counted)]
    assert scores[0][0] == scores[1][0]
    assert scores[0][1].accuracy == scores[1][1].accuracy


def test_a_metric_that_raises_counts_as_0_and_loses_no_model() -> None:
    world = Swarm(own("raise KeyError(1)"))
    for job in (world.trainers[0].train(world.initial, 0, 0, 1), world.trainers[0].score(world.initial, None)):
        with pytest.raises(ScoredDespite) as caught:
            job.result()
        done = caught.value
        assert done.weights.cid in world.blocks and done.score == Score(0, SCALE)
        assert (done.failure.line, done.failure.error) == (2, "KeyError: 1")


def test_a_metric_that_raises_on_test_rows_alone_is_named_with_its_line() -> None:
    world = Swarm(own(f"return 0.5 if len(seen.labels) < {SESSION.data.test_rows} else 1 // 0"))
    assert world.trainers[0].score(world.initial, None).result()[1].accuracy == 0.5
    evaluator = Evaluator(world.pool, world.table, world.session, world.blocks)
    (tested,) = evaluator.measure([(world.initial, world.split.test)])
    assert tested.score == Score(0, SCALE) and tested.failure is not None
    assert (tested.failure.line, tested.failure.error) == (2, "ZeroDivisionError: integer division or modulo by zero")
