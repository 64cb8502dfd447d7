"""`learnae compare`: which runs are one group, what a folder stands for, and JSON for programs."""

import json
import shutil
from pathlib import Path

import pytest
from tests.helpers.command_line import here

from learnae.adapters.run_directory import RunDirectory
from learnae.cli.output import print_outcome
from learnae.resources import session_files
from learnae.session.session_file import load, to_toml

SESSION = """
peers = 3
[data]
rows = 200
validation_rows = 100
test_rows = 500
[work]
slices = 2
patience = 2
[model]
hidden = [8]
epochs = 1
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs that differ in their seeds."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "session.toml").write_text(SESSION)
    for seed in (1, 2):
        done = here(folder, "simulate", "session.toml", "--seed", seed, "--out", folder / f"seed={seed}")
        assert done.returncode == 0, done.stderr
    return folder


def test_a_folder_stands_for_the_runs_below_it_and_each_counts_once(sweep: Path) -> None:
    done = here(sweep, "compare", sweep, sweep / "seed=1", "--json")
    [group] = json.loads(done.stdout)
    assert group["runs"] == ["seed=1", "seed=2"]
    assert group["settings"]["backend"] == "sim" and group["settings"]["peers"] == 3
    payments = group["metrics"]["payments_mean"]
    assert payments["count"] == 2 and payments["min"] <= payments["mean"] <= payments["max"]


def test_runs_on_different_backends_are_never_merged(sweep: Path, tmp_path: Path) -> None:
    shutil.copytree(sweep / "seed=1", tmp_path / "other")
    history = tmp_path / "other" / "history.jsonl"
    history.write_text(history.read_text().replace('"backend":"sim"', '"backend":"embedded"'))
    done = here(tmp_path, "compare", sweep / "seed=1", "other", "--json")
    assert [group["runs"] for group in json.loads(done.stdout)] == [["seed=1"], ["other"]]
    assert "embedded" in here(tmp_path, "compare", sweep / "seed=1", "other").stdout


@pytest.mark.parametrize(("name", "shown"), [("paper", True), ("by-mass", False)])
def test_the_papers_numbers_stand_beside_its_own_session_alone(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, shown: bool
) -> None:
    shutil.copytree(sweep / "seed=1", tmp_path / "run")
    (tmp_path / "run" / "session.toml").write_text(to_toml(load(session_files()[name], {"peers": 8, "seed": 5})))
    run = RunDirectory(tmp_path / "run")
    print_outcome(run, run.verdict())
    assert ("paper (section 4)" in capsys.readouterr().out) is shown
