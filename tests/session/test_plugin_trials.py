"""A plug-in that can never work is refused before the session starts, and only such a one."""

from pathlib import Path

import pytest
import torch
from tests.helpers.command_line import here
from tests.helpers.peers import own_plugin

from learnae import plugins
from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.labels import Quantity
from learnae.learn.plugin_trials import try_on_rows
from learnae.plugins import Kind
from learnae.session.plugin_trials import try_rule
from learnae.session.settings import ModelSettings, ScoreSettings, Session

TRIED = ": mend it; it was tried with made-up values before the start"
NEVER = [  # a body, and what is said of it
    ("return missing", "NameError: name 'missing' is not defined"),
    ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
    ("first.no_such_field", "AttributeError: '{type}' object has no attribute 'no_such_field'"),
    ("return len(3)", "TypeError: object of type 'int' has no len()"),
    ("return eval('1 +')", "SyntaxError: invalid syntax"),
]
PERHAPS = ["raise ValueError", "return 1 // 0", "return [][0]", "if 0: late = 1\n    return late", "raise SystemExit"]
POLICY = "from learnae.protocol.hooks import Honest\nclass Own(Honest):\n"
TYPES = {Kind.REWARDS: "RewardView", Kind.AVERAGING: "AveragingView"}
TABLE = Dataset(torch.zeros(90, 3), torch.arange(90) // 30, (0.0,) * 3, (1.0,) * 3)
NUMBERS = Dataset(torch.zeros(5, 3), torch.arange(5.0), (0.0,) * 3, (1.0,) * 3, Quantity(2.0, 3.0))


def function(body: str, name: str = "own") -> str:
    return own_plugin(f"def {name}(first, second=None):\n    {body}\n", name)


def with_metric(reference: str) -> Session:
    return Session(score=ScoreSettings(reference))


def with_loss(reference: str) -> Session:
    return Session(model=ModelSettings(loss=reference))


@pytest.mark.parametrize(("body", "error"), NEVER)
@pytest.mark.parametrize("kind", TYPES)
def test_a_rule_that_can_never_work_is_refused(kind: Kind, body: str, error: str) -> None:
    with pytest.raises(InputError) as refused:
        try_rule(kind, function(body))
    line = 1 if "SyntaxError" in error else 2
    assert str(refused.value) == f"plug-in mine.py:own, line {line}: {error.format(type=TYPES[kind])}{TRIED}"


@pytest.mark.parametrize(("body", "error"), NEVER)
def test_a_metric_and_a_loss_that_can_never_work_are_refused(body: str, error: str) -> None:
    for session, seen in ((with_metric(function(body)), "Predictions"), (with_loss(function(body)), "Tensor")):
        with pytest.raises(InputError) as refused:
            try_on_rows(session, TABLE)
        assert error.format(type=seen) in str(refused.value) and str(refused.value).endswith(TRIED)


@pytest.mark.parametrize(("body", "error"), NEVER)
@pytest.mark.parametrize("method", ["slice", "takes", "attempt", "states", "publishes", "pays", "leaves"])
def test_a_policy_one_of_whose_methods_can_never_work_is_refused(method: str, body: str, error: str) -> None:
    code = f"{POLICY}  def {method}(self, *all):\n    first, = all[:1]\n    {body}"
    with pytest.raises(InputError, match=error.partition(":")[0]):
        try_rule(Kind.POLICIES, own_plugin(code, "Own"))


@pytest.mark.parametrize("body", PERHAPS)
def test_an_error_that_other_values_may_not_cause_is_no_reason(body: str) -> None:
    for kind in TYPES:
        try_rule(kind, function(body))
    try_rule(Kind.POLICIES, own_plugin(f"{POLICY}  def pays(self, debt):\n    {body}", "Own"))
    try_on_rows(with_metric(function(body)), TABLE)
    try_on_rows(with_loss(function(body)), TABLE)


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (Kind.REWARDS, "return first.factor * 0.5", "a float: return wei, such as int(...)"),
        (Kind.REWARDS, "pass", "returned None: return an int"),
        (Kind.AVERAGING, "return 3", "returned 3: return a list"),
    ],
)
def test_an_answer_of_a_type_that_is_never_right_is_refused(kind: Kind, body: str, error: str) -> None:
    with pytest.raises(InputError) as refused:
        try_rule(kind, function(body))
    assert error in str(refused.value)


def test_an_answer_whose_value_is_wrong_is_no_reason() -> None:
    try_rule(Kind.REWARDS, function("return -1"))
    try_rule(Kind.AVERAGING, function("return []"))
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
    for kind, built_in in plugins.BUILT_IN.items():
        for reference in built_in:
            try_rule(kind, reference)


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
