"""What labels are decides the defaults of loss and metric; what does not fit is refused in a sentence."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from learnae.plugins import BUILT_IN, Kind
from learnae.protocol.settings import DefenceSettings, RewardSettings
from learnae.session.settings import DataSettings, Group, ModelSettings, ScoreSettings, Session
from learnae.session.task import QUANTITY_SOURCES, REGRESSION, TASKS, task_contradictions, with_task

NUMBERS = DataSettings(path="rows.csv", label="k", task=REGRESSION)


def session(**changes: Any) -> Session:
    return replace(Session(data=NUMBERS, model=ModelSettings(loss="mse"), score=ScoreSettings("r2")), **changes)


def refused(found: Session) -> list[str]:
    return [sentence for wrong, sentence in task_contradictions(found) if wrong]


def test_the_labels_decide_the_defaults_of_loss_and_metric() -> None:
    chosen = with_task({"data": {"path": "rows.csv", "task": REGRESSION}}, Session(data=NUMBERS))
    assert (chosen["model"], chosen["score"]) == ({"loss": "mse"}, {"metric": "r2"})
    usual = with_task({"name": "mine"}, Session())
    assert (usual["data"], usual["model"]["loss"]) == ({"task": "classification"}, "cross-entropy")
    assert usual["name"] == "mine"


def test_a_named_source_whose_label_is_a_number_needs_no_task() -> None:
    source = QUANTITY_SOURCES[0]
    chosen = with_task({"data": {"source": source}}, Session(data=DataSettings(source=source)))
    assert chosen["data"] == {"source": source, "task": REGRESSION} and chosen["score"] == {"metric": "r2"}


def test_what_a_file_sets_stays() -> None:
    given = {"data": {"task": REGRESSION}, "model": {"loss": "own.py:loss", "batch": 3}, "score": {"metric": "auc"}}
    assert with_task(given, Session(data=NUMBERS)) == given


def test_the_defaults_of_the_settings_are_those_of_their_task() -> None:
    task = TASKS[DataSettings().task]
    assert (task.losses[0], task.metrics[0]) == (ModelSettings().loss, ScoreSettings().metric)
    assert {loss for each in TASKS.values() for loss in each.losses} == set(BUILT_IN[Kind.LOSSES])
    assert {metric for each in TASKS.values() for metric in each.metrics} == set(BUILT_IN[Kind.METRICS])


@pytest.mark.parametrize("fitting", [session(), Session(), session(score=ScoreSettings("mine.py:metric"))])
def test_what_fits_is_taken(fitting: Session) -> None:
    assert refused(fitting) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            session(score=ScoreSettings()),
            'score.metric = "accuracy" does not fit data.task, by which a label is a number',
        ),
        (
            Session(score=ScoreSettings("r2")),
            "a label is a class: leave it out, or use accuracy or f1 or auc or a plug-in",
        ),
        (session(model=ModelSettings()), 'model.loss = "cross-entropy" does not fit data.task'),
        (
            Session(model=ModelSettings(loss="mse")),
            'model.loss = "mse" does not fit data.task, by which a label is a class',
        ),
        (session(data=replace(NUMBERS, partition="dirichlet")), "divides rows by their classes"),
        (session(defence=DefenceSettings(similar=Decimal("0.99"))), "defence.similar compares predicted classes"),
        (session(privacy=False), "peers cannot publish rows whose label is a number: leave privacy true"),
        (session(reward=RewardSettings(data=Decimal("0.1"))), "leave out reward.data and sensors"),
        (session(groups=(Group(sensor=True), Group())), "leave out reward.data and sensors"),
        (
            session(data=DataSettings(task=REGRESSION)),
            'that of data source "hepmass-like" is none: leave data.task out',
        ),
        (Session(data=DataSettings(source=QUANTITY_SOURCES[0])), "says that the label is a class"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(wrong: Session, sentence: str) -> None:
    [found] = refused(wrong)
    assert sentence in found
