"""Every example runs as a user would run it and ends valid; what each is there to teach can be seen in its numbers."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import ALL_PASSED, Done, here

from learnae.resources import session_files

pytestmark = pytest.mark.slow
ELSEWHERE = ("adult-like", "digits", "table", "wine")  # in test_small_tables.py
NAMES = [name for name in session_files() if name not in ELSEWHERE]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@cache
def run(name: str, folder: Path) -> tuple[Done, dict[str, Any]]:
    """The finished command, and the summary of its verdict."""
    done = here(folder, "simulate", name, "--out", folder / name)
    assert done.returncode == 0, done.stdout + done.stderr
    return done, json.loads((folder / name / "verdict.json").read_text())["summary"]


def income(name: str, folder: Path) -> dict[str, int]:
    """Wei received for good, by policy (profiteers apart)."""
    records = [json.loads(line) for line in (folder / name / "history.jsonl").read_text().splitlines()]
    roster = {entry["peer"]: entry for entry in records[0]["roster"]}
    last = {(each["peer"], each["debt"]): each for each in records if each["kind"] == "DebtChanged"}
    received: dict[str, int] = {}
    for debt in last.values():
        creator = roster[debt["creator"]]
        kind = creator["policy"] if creator["has_rows"] else "profiteer"
        received[kind] = received.get(kind, 0) + int(debt["wei"]) * (debt["state"] == "final")
    return received


@pytest.mark.parametrize("name", NAMES)
def test_an_example_ends_valid_and_says_what_it_teaches(name: str, runs: Path) -> None:
    done, summary = run(name, runs)
    assert ALL_PASSED in done.stdout
    assert summary["peers_finished"] == summary["peers_expected"]
    text = session_files()[name].read_text()
    paragraph = [line for line in text.splitlines() if line.startswith("#")]
    assert len(paragraph) >= 3


def test_alone_a_peer_with_few_rows_learns_less_than_together(runs: Path) -> None:
    run("alone-against-together", runs)
    done = here(runs, "baselines", runs / "alone-against-together")
    assert done.returncode == 0, done.stderr
    scores = json.loads((runs / "alone-against-together" / "baselines.json").read_text())
    assert scores["alone"]["mean"] + 0.01 < scores["swarm"]["mean"] < scores["pooled"]["mean"]


def test_by_mass_peers_know_their_own_mass_better_than_all(runs: Path) -> None:
    _, summary = run("by-mass", runs)
    assert summary["accuracy_own_mean"] > summary["accuracy_test_mean"] + 0.05


def test_profiteers_earn(runs: Path) -> None:
    run("profiteers", runs)
    assert income("profiteers", runs)["profiteer"] > 0


def test_profiteers_that_may_train_earn(runs: Path) -> None:
    run("open-profiteers", runs)
    assert income("open-profiteers", runs)["profiteer"] > 0


def test_providers_pay_profiteers_and_earn_nothing(runs: Path) -> None:
    run("providers-profiteers", runs)
    received = income("providers-profiteers", runs)
    assert received["profiteer"] > 0 and received.keys() == {"profiteer"}


def test_poisoners_earn_nothing_and_the_honest_do(runs: Path) -> None:
    run("cheats", runs)
    received = income("cheats", runs)
    assert received["honest"] > 0
    assert received.get("poisoner", 0) == received.get("spammer", 0) == 0


def test_the_example_that_init_copies_runs_in_its_folder_and_ends_valid(tmp_path: Path) -> None:
    learnae = [sys.executable, "-m", "learnae"]
    subprocess.run([*learnae, "init", str(tmp_path / "mine")], check=True, capture_output=True)
    command = [*learnae, "simulate", "session.toml", "--out", "run"]
    done = subprocess.run(command, cwd=tmp_path / "mine", capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ALL_PASSED in done.stdout


def test_rows_of_sensors_are_in_the_trained_models(runs: Path) -> None:
    run("iot", runs)
    records = [json.loads(line) for line in (runs / "iot" / "history.jsonl").read_text().splitlines()]
    readings = {each["cid"] for each in records if each["kind"] == "ReadingPublished"}
    trained = [each["rows"] for each in records if each["kind"] == "Trained" and each["rows"] in readings]
    assert len(readings) == 20 and len(trained) == 5 * 20  # by each of 3 trainers and 2 profiteers
