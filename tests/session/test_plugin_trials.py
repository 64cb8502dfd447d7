"""A plug-in that can never work is refused before the session starts, and only such a one."""

import pytest
from tests.helpers.peers import own_plugin

from learnae import plugins
from learnae.errors import InputError
from learnae.plugins import Kind
from learnae.session.plugin_trials import try_plugin

TRIED = ": correct it; it was called with made-up values before the start"
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


def function(body: str, name: str = "own") -> str:
    return own_plugin(f"def {name}(first, second=None):\n    {body}\n", name)


@pytest.mark.parametrize(("body", "error"), NEVER)
@pytest.mark.parametrize("kind", TYPES)
def test_a_rule_that_can_never_work_is_refused(kind: Kind, body: str, error: str) -> None:
    with pytest.raises(InputError) as refused:
        try_plugin(kind, function(body))
    line = 1 if "SyntaxError" in error else 2
    assert str(refused.value) == f"plug-in mine.py:own, line {line}: {error.format(type=TYPES[kind])}{TRIED}"


@pytest.mark.parametrize(("body", "error"), NEVER)
@pytest.mark.parametrize("method", ["slice", "takes", "attempt", "states", "publishes", "pays", "leaves"])
def test_a_policy_one_of_whose_methods_can_never_work_is_refused(method: str, body: str, error: str) -> None:
    code = f"{POLICY}  def {method}(self, *all):\n    first, = all[:1]\n    {body}"
    with pytest.raises(InputError, match=error.partition(":")[0]):
        try_plugin(Kind.POLICIES, own_plugin(code, "Own"))


@pytest.mark.parametrize("body", PERHAPS)
def test_an_error_that_other_values_may_not_cause_is_no_reason(body: str) -> None:
    for kind in TYPES:
        try_plugin(kind, function(body))
    try_plugin(Kind.POLICIES, own_plugin(f"{POLICY}  def pays(self, debt):\n    {body}", "Own"))


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
        try_plugin(kind, function(body))
    assert error in str(refused.value)


@pytest.mark.parametrize("layer", ["found[1]", "found.group(1)"])
def test_a_rule_for_the_tensors_of_another_model_is_not_refused(layer: str) -> None:
    body = f"import re\n    found = re.match('layer([0-9]+)', first.tensors[0])\n    {layer}"
    try_plugin(Kind.AVERAGING, function(body))


def test_an_answer_whose_value_is_wrong_is_no_reason() -> None:
    try_plugin(Kind.REWARDS, function("return -1"))
    try_plugin(Kind.AVERAGING, function("return []"))


def test_what_is_built_in_is_not_refused() -> None:
    for kind, built_in in plugins.BUILT_IN.items():
        for reference in built_in:
            try_plugin(kind, reference)
