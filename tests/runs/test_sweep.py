"""Sweeps: which runs they plan, and which finished runs they use again."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from learnae.adapters.run_directory import RunDirectory, environment_facts
from learnae.errors import InputError
from learnae.input_file import sha256_of
from learnae.learn.datasets.sources import source_file
from learnae.messages.foreign_toml import from_toml
from learnae.records.seal import SEAL
from learnae.runs import executors
from learnae.runs.executors import executor
from learnae.runs.provenance import require_same_data
from learnae.runs.sweep import (
    ROW,
    SweepRun,
    collect,
    plan_runs,
    run_missing,
    run_one,
    set_aside,
    shard,
)
from learnae.session.assignments import parse_assignments
from learnae.session.session_file import parse, to_toml


def planned(tmp_path: Path, *assignments: str, text: str = "peers = 4\n") -> list[SweepRun]:
    (tmp_path / "session.toml").write_text(text)
    return plan_runs(tmp_path / "session.toml", parse_assignments(assignments), (1, 2), tmp_path / "out")


def test_each_list_is_a_network(tmp_path: Path) -> None:
    runs = planned(tmp_path, "model.hidden=[32,32],[64]")
    assert [run.session.model.hidden for run in runs] == [(32, 32), (32, 32), (64,), (64,)]
    assert [run.session.seed for run in runs] == [1, 2, 1, 2]


def test_a_group_is_named_by_its_index(tmp_path: Path) -> None:
    text = "peers = 6\n[[groups]]\ncount = 1\ncomputes = false\n[[groups]]\n"
    runs = planned(tmp_path, "groups.0.count=2,4", text=text)
    assert [run.session.groups[0].count for run in runs] == [2, 2, 4, 4]


@pytest.mark.parametrize(
    ("text", "assignment", "explicit"),
    [
        ('[reward]\nadapt = "0.1"\ntarget = "0.5"\n', "reward.adapt=0,0.1", "reward.target=0.5"),
        ('[defence]\nkind = "reciprocity"\nlimit = 9\n', "defence.kind=none,reciprocity", "defence.limit=9"),
        (
            '[[groups]]\ncount = 3\n[[groups]]\nunit_cost = "0.1"\n[market]\nwindow = 9\n',
            "groups.1.unit_cost=0,0.1",
            "market.window=9",
        ),
    ],
)
def test_a_sweep_compares_with_and_without_what_the_file_sets(
    tmp_path: Path, text: str, assignment: str, explicit: str
) -> None:
    text = f"peers = 4\n{text}"
    without, _, same, _ = planned(tmp_path, assignment, text=text)
    whole = parse(from_toml(text) | {"seed": 1})
    assert same.session == whole != without.session == parse(from_toml(to_toml(without.session)))
    with pytest.raises(InputError):
        planned(tmp_path, assignment, explicit, text=text)


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
    same = environment_facts() | {"data_sha256": sha256_of(data), "device": "cpu"}
    changes: list[tuple[dict[str, Any], str]] = [
        ({"data_sha256": "of other data"}, "other data"),
        ({"code_sha256": "of other code"}, "another program or machine (code_sha256 'of other code', here"),
        ({"packages": {"torch": "1"}}, "another program or machine (packages"),
        ({"processor": "Z80"}, "another program or machine (processor 'Z80'"),
        ({"device": "cuda Z80"}, "another program or machine (device 'cuda Z80', here 'cpu'"),
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


def test_only_a_users_own_session_file_brings_the_code_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reward(view): return 5")
    [own, _] = planned(tmp_path, text='reward.function = "mine.py:reward"')
    [foreign] = plan_runs(tmp_path / "session.toml", {}, (1,), tmp_path / "out", own=False)
    assert (foreign.session.reward.function, foreign.plugins) == ("mine.py:reward", ())
    (tmp_path / "session.toml").write_text(to_toml(own.session))
    [allowed] = plan_runs(tmp_path / "session.toml", {}, (1,), tmp_path / "out", own=False)
    assert allowed == own and [source.file for source in own.plugins] == ["mine.py"]


def test_what_a_sweep_cannot_set_is_named_as_its_option(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"with --set work.patience=0: work.patience = 0 is not allowed"):
        planned(tmp_path, "work.patience=0")


def test_baselines_of_a_run_are_refused_with_other_data(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("a,k\n1,0\n")
    (tmp_path / "environment.json").write_text(json.dumps({"data_sha256": "of other data"}))
    with pytest.raises(InputError, match="the data here is not that of the run"):
        require_same_data(RunDirectory(tmp_path), parse({"data": {"path": str(data), "label": "k"}}))


@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_shards_share_the_runs_among_them(tmp_path: Path, count: int) -> None:
    runs = planned(tmp_path, "work.patience=1,2,3,4")
    parts = [shard(runs, f"{number}/{count}") for number in range(1, count + 1)]
    assert sorted(run.path for part in parts for run in part) == sorted(run.path for run in runs)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "/4", "1/", "-1/4", "1/0", "a/b", "1/2/3", "1/" + "9" * 5000])
def test_a_shard_that_does_not_exist_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="write K/N with K from 1 to N"):
        shard(planned(tmp_path), text)


def finish(run: SweepRun, row: dict[str, Any] | None = None, **facts: Any) -> None:
    """Write what a finished run has that a sweep reads."""
    run.path.mkdir(parents=True, exist_ok=True)
    (run.path / "session.toml").write_text(to_toml(run.session))
    environment = (
        environment_facts() | {"data_sha256": sha256_of(source_file(run.session.data)), "device": "cpu"} | facts
    )
    (run.path / "environment.json").write_text(json.dumps(environment))
    (run.path / ROW).write_text(json.dumps(row or {"verdict": "valid", "ended_by": "quiet"}))


def test_collected_runs_may_be_of_other_processors_and_of_no_other_program(tmp_path: Path) -> None:
    first, second = planned(tmp_path)
    finish(first)
    with pytest.raises(InputError, match="1 of 2 runs are missing, such as seed=2: run their shards first"):
        collect([first, second])
    finish(second, {"ended_by": "interrupted"})
    with pytest.raises(InputError, match="1 of 2 runs are missing"):
        collect([first, second])
    finish(second, processor="Z80")
    assert [row["seed"] for row in collect([first, second])] == [1, 2]
    assert second.row is None  # a sweep that runs here repeats it
    finish(second, packages={"torch": "1"})
    with pytest.raises(InputError, match="seed=2 and seed=1 were made with other packages: repeat one of them"):
        collect([first, second])
    finish(second)
    (second.path / "session.toml").write_text("peers = 5\n")
    with pytest.raises(InputError, match="1 of 2 runs are missing, such as seed=2"):
        collect([first, second])


def test_a_run_under_way_elsewhere_is_waited_for_and_used(tmp_path: Path) -> None:
    case = planned(tmp_path)[0]
    other = RunDirectory.create(case.path.parent, "other", case.path)
    rows: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: rows.append(run_one(case)))
    waiting.start()
    finish(case, {"ended_by": "quiet", "of": "the other process"})
    other.release()
    waiting.join(60)
    assert rows == [{"ended_by": "quiet", "of": "the other process"}]


def test_an_executor_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "CONNECT", 0.2)
    for address, sentence in {
        "ray://host": "give the address of a Dask scheduler",
        "dask://": "give the address of a Dask scheduler",
        "dask://127.0.0.1:1": "no Dask scheduler answers at 127.0.0.1:1",
    }.items():
        with pytest.raises(InputError, match=sentence), executor(address, 1):
            pass


TINY = """
peers = 2
[data]
rows = 200
validation_rows = 100
test_rows = 200
[work]
slices = 2
patience = 2
[model]
hidden = [4]
"""


def test_workers_are_sent_what_identifies_the_rows_of_a_data_set_of_the_users(tmp_path: Path) -> None:
    code = "import numpy as np\ndef rows():\n    return np.eye(600), np.arange(600) % 2\n"
    (tmp_path / "own.py").write_text(code)
    own = '[data]\nsource = "own.py:rows"\njudging_rows = 1\nown_test_rows = 1'
    every = f"{TINY.replace('[data]', own)}batch = 5\nepochs = 1\nlearning_rate = 0.1\n".replace(
        "[work]", "[work]\npasses = 1"
    )
    (run,) = planned(tmp_path, "seed=1", text=every)  # all sizes: planning reads no rows
    with pytest.raises(InputError, match="no Dask scheduler"):
        run_missing([run], lambda run, row: None, lambda tasks: executor("dask://127.0.0.1:1", tasks))
    (source,) = run.plugins
    assert [*source.rows] == [run.session.data.source]


@contextmanager
def here(tasks: int) -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def files(folder: Path) -> dict[str, bytes]:
    """What a sweep's runs are; environment.json and the verdict hold wall times and the like."""
    found = [path for name in ("history.jsonl", "chain.jsonl", "session.toml", ROW) for path in folder.rglob(name)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.slow
def test_sixteen_runs_by_four_shards_equal_the_unsharded_sweep(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(TINY)

    def runs(out: str) -> list[SweepRun]:
        chosen = parse_assignments(["work.patience=1,2", "model.hidden=[4],[8]"])
        return plan_runs(tmp_path / "session.toml", chosen, range(1, 5), tmp_path / out)

    whole = runs("whole")
    rows = run_missing(whole, lambda run, row: None, here)
    parts = runs("parts")
    for number in (3, 1, 4, 1, 2):  # in any order, also twice
        run_missing(shard(parts, f"{number}/4"), lambda run, row: None, here)
    assert len(rows) == 16 and collect(parts) == rows == collect(whole)
    assert len(files(tmp_path / "whole")) == 64
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_on_the_same_runs_make_each_once(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(TINY)
    runs = plan_runs(tmp_path / "session.toml", {}, range(1, 4), tmp_path / "out")
    made: list[str] = []

    def sweep() -> None:
        run_missing(runs, lambda run, row: made.append(run.path.name), here)

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(collect(runs)) == 3
    assert not list((tmp_path / "out").glob("*.old*"))


@pytest.mark.slow
def test_the_workers_of_a_dask_cluster_run_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(TINY)
    runs = plan_runs(tmp_path / "session.toml", {}, range(1, 4), tmp_path / "out")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, host="127.0.0.1", protocol="tcp"
    ) as cluster:
        rows = run_missing(
            runs, lambda run, row: None, lambda tasks: executor(f"dask://{cluster.scheduler_address}", tasks)
        )
    assert rows == run_missing(runs, lambda run, row: None)  # nothing is missing any more
    assert [row["verdict"] for row in rows] == ["valid"] * 3
