"""Sweeps: which runs they plan, and which finished runs they use again."""

import json
from pathlib import Path
from typing import Any

import pytest

from learnae.adapters.run_directory import RunDirectory, environment_facts
from learnae.errors import InputError
from learnae.input_file import sha256_of
from learnae.records.seal import SEAL
from learnae.runs.provenance import require_same_data
from learnae.runs.sweep import ROW, SweepRun, parse_assignments, plan_runs, set_aside
from learnae.session.session_file import parse, to_toml


def planned(tmp_path: Path, *assignments: str, text: str = "peers = 4\n") -> list[SweepRun]:
    (tmp_path / "session.toml").write_text(text)
    return plan_runs(tmp_path / "session.toml", parse_assignments(assignments), (1, 2), tmp_path / "out")


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
def test_values_are_divided_at_commas_outside_of_lists(assignment: str, values: list[Any]) -> None:
    assert list(parse_assignments([assignment]).values()) == [values]


def test_each_list_is_a_network(tmp_path: Path) -> None:
    runs = planned(tmp_path, "model.hidden=[32,32],[64]")
    assert [run.session.model.hidden for run in runs] == [(32, 32), (32, 32), (64,), (64,)]
    assert [run.session.seed for run in runs] == [1, 2, 1, 2]


def test_a_group_is_named_by_its_index(tmp_path: Path) -> None:
    text = "peers = 6\n[[groups]]\ncount = 1\ncomputes = false\n[[groups]]\n"
    runs = planned(tmp_path, "groups.0.count=2,4", text=text)
    assert [run.session.groups[0].count for run in runs] == [2, 2, 4, 4]


def test_seeds_that_are_set_replace_the_usual_ones(tmp_path: Path) -> None:
    runs = planned(tmp_path, "seed=7,8")
    assert [run.session.seed for run in runs] == [7, 8]
    assert [run.path.name for run in runs] == ["seed=7", "seed=8"]


@pytest.mark.parametrize(
    ("assignments", "sentence"),
    [
        (["groups.1.count=2"], "--set groups.1.count: '1' is not in the session file, which has 1 such tables"),
        (["groups.x.count=2"], "--set groups.x.count: 'x' is not in the session file"),
        (["seed.x=1"], "--set seed.x: no such setting"),
        (["peers.x.y=1"], "--set peers.x.y: no such setting"),
        (["model.x=1"], "model.x: no such setting"),
        (["seed=-1"], "seed = -1 is not allowed"),
        (["seed=a"], 'seed = "a" is not allowed'),
        (["model.hidden=32,[64"], "model.hidden.* is not allowed|model.hidden"),
        (["seed=1", "seed=2"], "--set seed is given twice"),
        (["seed"], "--set seed: write key=value,value"),
    ],
)
def test_what_cannot_be_set_is_one_sentence(tmp_path: Path, assignments: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        planned(tmp_path, *assignments)


def test_a_finished_run_is_used_again_only_with_the_same_settings_data_and_program(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("a,k\n1,0\n")
    session = parse({"data": {"path": str(data), "label": "k"}})
    (tmp_path / "session.toml").write_text(to_toml(session))
    (tmp_path / ROW).write_text(json.dumps({"ended_by": "quiet"}))
    same = environment_facts() | {"data_sha256": sha256_of(data)}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"data_sha256": "of other data"}, "other data"),
        ({"code_sha256": "of other code"}, "another program or machine (code_sha256 'of other code', here"),
        ({"packages": {"torch": "1"}}, "another program or machine (packages"),
        ({"processor": "Z80"}, "another program or machine (processor 'Z80'"),
    ]
    for change, why in changes:
        (tmp_path / "environment.json").write_text(json.dumps(same | change))
        case = SweepRun(tmp_path, session, {})
        assert case.row is None and (case.stale or "").startswith(why)
    (tmp_path / "environment.json").write_text(json.dumps(same))
    assert SweepRun(tmp_path, session, {}).row == {"ended_by": "quiet"}
    assert SweepRun(tmp_path, parse({"seed": 2}), {}).stale == "other settings"


def test_a_finished_run_of_something_else_is_kept_and_an_interrupted_one_is_removed(tmp_path: Path) -> None:
    run = tmp_path / "seed=1"
    for text in ("first", "second"):
        run.mkdir()
        (run / SEAL).write_text(text)
        set_aside(run)
    run.mkdir()
    (run / "history.jsonl").touch()
    set_aside(run)
    set_aside(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed=1.old", "seed=1.old2"]
    assert [(tmp_path / f"seed=1.old{n}" / SEAL).read_text() for n in ("", "2")] == ["first", "second"]


def test_what_a_sweep_cannot_set_is_named_as_its_option(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"with --set work.patience=0: work.patience = 0 is not allowed"):
        planned(tmp_path, "work.patience=0")


def test_baselines_of_a_run_are_refused_with_other_data(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("a,k\n1,0\n")
    (tmp_path / "environment.json").write_text(json.dumps({"data_sha256": "of other data"}))
    with pytest.raises(InputError, match="the data here is not that of the run"):
        require_same_data(RunDirectory(tmp_path), parse({"data": {"path": str(data), "label": "k"}}))
