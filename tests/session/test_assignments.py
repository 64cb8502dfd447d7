"""Settings on the command line: how they are written, and what they do to a session's table."""

from typing import Any

import pytest

from learnae.errors import InputError
from learnae.session.assignments import assigned, overrides, parse_assignments


@pytest.mark.parametrize(
    ("assignment", "values"),
    [
        ("work.patience=15,40", [15, 40]),
        ("model.hidden=[32,32],[64, 64]", [[32, 32], [64, 64]]),
        ("model.hidden=[], [8]", [[], [8]]),
        ("model.optimizer=sgd,adam", ["sgd", "adam"]),
        ("data.overlap=true, false", [True, False]),
    ],
)
def test_values_of_a_sweep_are_divided_at_commas_outside_of_lists(assignment: str, values: list[Any]) -> None:
    assert list(parse_assignments([assignment]).values()) == [values]


def test_a_run_has_one_value_per_setting() -> None:
    assert overrides(["model.hidden=[32,64]", "about=a, b", "reward.cap='1'"], peers=4, seed=None) == {
        "peers": 4,
        "model.hidden": [32, 64],
        "about": "a, b",
        "reward.cap": "1",
    }


@pytest.mark.parametrize(
    ("assignments", "sentence"),
    [
        (["work.patience"], "--set work.patience: write key=value, such as work.patience=15"),
        (["=3"], "--set =3: write key=value"),
        (["seed="], "--set seed=: write key=value"),
        (["seed=1", "seed =2"], "--set seed is given twice: leave one of them out"),
        (["peers=3"], "--peers and --set peers are both given: leave one of them out"),
    ],
)
def test_an_assignment_that_cannot_be_read_is_one_sentence(assignments: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        overrides(assignments, peers=4)


def test_a_value_of_several_lines_is_text() -> None:
    assert overrides(["peers=4\nseed=9"]) == {"peers": "4\nseed=9"}


def test_a_huge_number_is_text_for_the_setting_to_refuse() -> None:
    assert overrides(["seed=0x" + "f" * 9000])["seed"].startswith("0xfff")


def test_dotted_names_are_set_in_a_copy() -> None:
    base = {"work": {"slices": 2}, "groups": [{"count": 1}, {"count": 3}]}
    changed = assigned(base, {"work.patience": 9, "groups.1.count": 2, "seed": 5, "reward.cap": "1"})
    assert changed == {
        "work": {"slices": 2, "patience": 9},
        "groups": [{"count": 1}, {"count": 2}],
        "seed": 5,
        "reward": {"cap": "1"},
    }
    assert base == {"work": {"slices": 2}, "groups": [{"count": 1}, {"count": 3}]}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("groups.1.count", "'1' is not in the session file, which has 1 such tables from 0"),
        ("groups.x.count", "'x' is not in the session file"),
        ("groups.x", "'x' is not in the session file"),
        ("peers.x", "no such setting, because the part before 'x' holds one value"),
        ("peers.x.y", "no such setting, because the part before 'x' holds one value"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=f"--set {name}: {sentence}"):
        assigned({"peers": 4, "groups": [{"count": 1}]}, {name: 1})


@pytest.mark.parametrize(
    ("table", "settings", "left"),
    [
        ({"reward": {"target": "0.5"}}, {"reward.adapt": 0}, {"reward": {"adapt": 0}}),
        ({"reward": {"target": "0.5"}}, {"reward.adapt": "0.1"}, {"reward": {"target": "0.5", "adapt": "0.1"}}),
        ({"reward": {}}, {"reward.adapt": 0, "reward.target": 1}, {"reward": {"adapt": 0, "target": 1}}),
        ({"defence": {"limit": 9}}, {"defence.kind": "none"}, {"defence": {"kind": "none"}}),
        (
            {"market": {"window": 9}, "groups": [{"unit_cost": "0.1"}, {}]},
            {"groups.0.unit_cost": "0.0"},
            {"market": {}, "groups": [{"unit_cost": "0.0"}, {}]},
        ),
        (
            {"market": {"window": 9}, "groups": [{"unit_cost": "0.1"}, {"unit_cost": "0.1"}]},
            {"groups.0.unit_cost": 0},
            {"market": {"window": 9}, "groups": [{"unit_cost": 0}, {"unit_cost": "0.1"}]},
        ),
        ({}, {"groups.0.unit_cost": 0}, {"groups": {"0": {"unit_cost": 0}}}),
    ],
)
def test_what_a_setting_switches_off_needs_no_settings(
    table: dict[str, Any], settings: dict[str, Any], left: dict[str, Any]
) -> None:
    assert assigned(table, settings) == left
