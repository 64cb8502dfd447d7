"""A loss or a metric that can never work is refused before the session starts, whatever the command."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.helpers.command_line import here
from tests.session.test_plugin_trials import NEVER, PERHAPS, TRIED, function

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.labels import Quantity
from learnae.learn.plugin_trials import try_on_rows
from learnae.session.settings import ModelSettings, ScoreSettings, Session

TABLE = Dataset(torch.zeros(90, 3), torch.arange(90) // 30, (0.0,) * 3, (1.0,) * 3)
NUMBERS = Dataset(torch.zeros(5, 3), torch.arange(5.0), (0.0,) * 3, (1.0,) * 3, Quantity(2.0, 3.0))


def with_metric(reference: str) -> Session:
    return Session(score=ScoreSettings(reference))


def with_loss(reference: str) -> Session:
    return Session(model=ModelSettings(loss=reference))


@pytest.mark.parametrize(("body", "error"), NEVER)
def test_a_metric_and_a_loss_that_can_never_work_are_refused(body: str, error: str) -> None:
    for session, seen in ((with_metric(function(body)), "Predictions"), (with_loss(function(body)), "Tensor")):
        with pytest.raises(InputError) as refused:
            try_on_rows(session, TABLE)
        assert error.format(type=seen) in str(refused.value) and str(refused.value).endswith(TRIED)


@pytest.mark.parametrize("body", PERHAPS)
def test_an_error_of_a_loss_or_a_metric_that_other_values_may_not_cause_is_no_reason(body: str) -> None:
    try_on_rows(with_metric(function(body)), TABLE)
    try_on_rows(with_loss(function(body)), TABLE)


def test_an_answer_whose_value_is_wrong_is_no_reason() -> None:
    try_on_rows(with_metric(function("return 2")), TABLE)
    for session in (with_metric(function("return 'good'")), with_loss(function("return 1.0"))):
        with pytest.raises(InputError, match="returned"):
            try_on_rows(session, TABLE)


def test_what_works_is_not_refused_and_sees_real_shapes() -> None:
    seen = "assert first.labels.tolist() == sorted(first.labels) and set(first.classes) == {0, 1, 2}\n    "
    session = with_metric(function(f"{seen}return (first.chosen == first.labels).double().mean()"))
    classes = Dataset(TABLE.features, TABLE.labels, TABLE.mean, TABLE.std, type(TABLE.label)(3))
    try_on_rows(session, classes)
    estimates = "assert first.labels.shape == first.outputs.shape == (5,)\n    return first.outputs.no_such_field"
    with pytest.raises(InputError, match="no_such_field"):
        try_on_rows(with_metric(function(estimates)), NUMBERS)
    try_on_rows(with_loss(function("return (first[:, 0] - second).square().mean()")), NUMBERS)


def test_the_rows_are_exact_where_those_of_float32_would_be_beyond_the_last() -> None:
    count = 2**24 + 4
    large = replace(TABLE, features=TABLE.features[:1].expand(count, 3), labels=TABLE.labels[:1].expand(count))
    with pytest.raises(InputError, match="missing"):
        try_on_rows(with_metric(function("return missing")), large)


SMALL = """
peers = 2
[data]
rows = 100
validation_rows = 50
test_rows = 100
[work]
slices = 2
{block}
{setting} = "mine.py:own"
"""


@pytest.mark.parametrize(
    ("block", "setting"),
    [("[reward]", "function"), ("[averaging]", "rule"), ("[score]", "metric"), ("[model]", "loss")],
)
def test_a_session_with_a_plug_in_that_can_never_work_does_not_start(tmp_path: Path, block: str, setting: str) -> None:
    (tmp_path / "session.toml").write_text(SMALL.format(block=block, setting=setting))
    (tmp_path / "mine.py").write_text("def own(*all):\n    return missing\n")
    for command in (["simulate"], ["swarm", "--backend", "embedded", "--port", "0"], ["sweep", "--seeds", "1"]):
        done = here(tmp_path, *command, "session.toml", "--out", "run")
        assert done.returncode == 2, done.stdout
        told = " ".join(done.stderr.split())
        assert f"plug-in mine.py:own, line 2: NameError: name 'missing' is not defined{TRIED}" in told
        assert not (tmp_path / "run" / "history.jsonl").exists()
