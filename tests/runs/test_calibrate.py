"""The costs that a run's journals tell are those it was run with, and a run is compared with seeds that are like it."""

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import here, refused
from tests.helpers.left_behind import leave
from tests.helpers.swarms import Run, run, small

from learnae.adapters.run_directory import RunDirectory
from learnae.adapters.sqlite_journal import JournalContents
from learnae.analysis.statistics import Band
from learnae.backends.live_run import JOURNALS, SESSION
from learnae.backends.sim.backend import simulate
from learnae.errors import InputError
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.replay import new_peer, replay_steps
from learnae.runs.calibrate import (
    MIN_SECONDS,
    ComparedMetric,
    compare_with_seeds,
    fit_costs,
    request_timings,
)
from learnae.runs.run_journals import read_run_journals
from learnae.runtime.learning import MemoryLearning
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load, parse, to_toml

COSTS = {
    "train": 1e-3,
    "average": 0.25,
    "chain_call": 0.03,
    "store": 0.05,
    "announce": 0.1,
    "late_delay_factor": 0.5,
    "speed_sigma": 0.3,
    "jitter": 0.2,
}
LATENCY, PEERS = 0.04, 12
TORCH = {"peers": 3, "data": {"rows": 200, "validation_rows": 100, "test_rows": 500}, "model": {"hidden": [8]}}


@pytest.fixture(scope="module")
def session() -> Run:
    return run(small(cost=COSTS, network={"latency": LATENCY}, peers=PEERS), journals=True)


@pytest.fixture(scope="module")
def told(session: Run) -> dict[str, JournalContents]:
    hosts = session.simulation.simulator.hosts
    return {name: JournalContents(host.config, host.journal.entries, []) for name, host in hosts.items()}


def test_the_costs_that_a_session_was_run_with_are_found_in_its_journals(told: dict[str, JournalContents]) -> None:
    elsewhere = parse(small(peers=PEERS))
    found = fit_costs(elsewhere, MemoryLearning(elsewhere), told)
    assert found.network.latency == pytest.approx(LATENCY, rel=0.15)
    for name, cost in asdict(found.cost).items():
        assert cost == pytest.approx(COSTS[name], rel=0.4 if name == "speed_sigma" else 0.2), name
    assert (found.work, found.data, found.model) == (elsewhere.work, elsewhere.data, elsewhere.model)


def test_work_that_took_no_time_is_fitted_as_next_to_none() -> None:
    settings = small(cost=COSTS | {"average": 0.0}, peers=3)
    hosts = run(settings, journals=True).simulation.simulator.hosts
    told = {name: JournalContents(host.config, host.journal.entries, []) for name, host in hosts.items()}
    session = parse(settings)
    assert fit_costs(session, MemoryLearning(session), told).cost.average == pytest.approx(MIN_SECONDS)


def test_a_request_is_timed_from_its_question_to_its_answer_in_one_life(told: dict[str, JournalContents]) -> None:
    config, entries, *_ = told["p00"]
    life = list(replay_steps(new_peer(config), entries))
    found = list(request_timings("p00", life))
    answers = [event for event, _ in entries if isinstance(event, on.Answer)]
    assert len(found) == len(answers) - sum(isinstance(event, on.RequestFailed) for event in answers)
    number = next(n for n, (event, _) in enumerate(entries) if isinstance(event, on.ModelScored))
    again = list(request_timings("p00", life, [number]))
    lost = [each.request for each in found if each not in again]
    assert any(isinstance(request, do.ScoreModel) for request in lost)
    assert all(each in found for each in again)


def test_journals_in_which_nobody_trained_say_nothing(session: Run, told: dict[str, JournalContents]) -> None:
    begun = {name: JournalContents(each.config, each.entries[:5], []) for name, each in told.items()}
    with pytest.raises(InputError, match="got further"):
        fit_costs(session.simulation.session, MemoryLearning(session.simulation.session), begun)


def test_a_value_holds_if_it_is_inside_a_band_that_says_something() -> None:
    def holds(live: float | None, *band: float) -> bool:
        return ComparedMetric("payments_mean", live, Band(20, *band)).holds

    assert holds(8.0, 8.0, 10.0, 12.0) and holds(12.5, 8.0, 10.0, 12.5)
    assert not holds(7.9, 8.0, 10.0, 12.0) and not holds(12.1, 8.0, 10.0, 12.0) and not holds(None, 8.0, 10.0, 12.0)
    assert holds(0.0, 0.0, 0.0, 0.0) and not holds(1.0, 0.0, 0.0, 0.0)  # nobody is to be paid
    assert not holds(10.0, 7.4, 10.0, 12.0) and not holds(10.0, 8.0, 10.0, 12.6)
    rows = [{"payments_mean": value, "success_rate": 0.5, "accuracy_test_mean": None} for value in (8.0, 9.0)]
    found = compare_with_seeds({"payments_mean": 8.5, "success_rate": 0.6, "accuracy_test_mean": 0.8}, rows)
    assert [(each.metric, each.inside) for each in found] == [("payments_mean", True), ("success_rate", False)]


@pytest.fixture(scope="module")
def recorded_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `learnae simulate` leaves it."""
    settings = parse(small(**TORCH))
    folder = RunDirectory.create(tmp_path_factory.mktemp("runs"), "run")
    simulate(settings, TorchLearning(settings, 1), folder)
    return folder.path


def test_exported_journals_tell_what_a_live_peers_own_tell(recorded_run: Path, tmp_path: Path) -> None:
    history = RunDirectory(recorded_run).read()
    same = leave(run(small(**TORCH), learning=partial(TorchLearning, threads=1)), tmp_path / "live")
    unsigned = {name: journal._replace(signature=None) for name, journal in read_run_journals(same, history).items()}
    assert read_run_journals(recorded_run, history) == unsigned


def test_a_run_that_left_no_journals_cannot_be_calibrated(recorded_run: Path, tmp_path: Path) -> None:
    refused(here(tmp_path, "calibrate", "."), "contains no history.jsonl")
    settings = load(recorded_run / SESSION)
    (tmp_path / SESSION).write_text(to_toml(settings))
    (tmp_path / "history.jsonl").write_bytes((recorded_run / "history.jsonl").read_bytes())
    refused(here(tmp_path, "calibrate", "."), f"holds no {JOURNALS}")


def test_a_run_with_other_settings_than_its_own_cannot_be_calibrated(recorded_run: Path, tmp_path: Path) -> None:
    other: dict[str, Any] = {"model": {"hidden": [9]}}
    (tmp_path / SESSION).write_text(to_toml(parse(small(**TORCH | other))))
    (tmp_path / "history.jsonl").write_bytes((recorded_run / "history.jsonl").read_bytes())
    refused(here(tmp_path, "calibrate", "."), "with other settings")


def test_damaged_journals_and_those_of_another_core_are_named(recorded_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(recorded_run, tmp_path / "run")
    journal = folder / JOURNALS / "p01.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:9], lines[9].replace('"digest":"', '"digest":"0')]))
    refused(here(tmp_path, "calibrate", folder), "cannot be replayed", "entry 9")
    for damage in ("{}", "damaged", '{"digest":"0","kind":"Nothing"}'):
        journal.write_text(damage)
        refused(here(tmp_path, "calibrate", folder), "p01.jsonl is damaged")


def test_one_peers_journal_is_enough_to_know_what_its_work_took(told: dict[str, JournalContents]) -> None:
    session = parse(small(peers=PEERS))
    found = fit_costs(session, MemoryLearning(session), {"p03": told["p03"]}).cost
    assert found.train > 0 and found.average > 0 and found.speed_sigma == found.announce == 0
