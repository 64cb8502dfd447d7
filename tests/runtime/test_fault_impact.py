"""The impact of faults and cheating peers, compared with the same session without them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import ALL_PASSED, here, refused
from tests.helpers.swarms import groups, run

from learnae.analysis.fault_impact import fault_impact, longest_stall, to_json
from learnae.analysis.figures import figures
from learnae.analysis.figures.paper import fault_windows
from learnae.backends.sim.faults import undisturbed
from learnae.protocol.decisions import Trained, WorkChanged, WorkState
from learnae.protocol.policies import Policy
from learnae.protocol.types import Cid, Score
from learnae.records.history import Fact, FaultBegan, History, Record, SessionEnded
from learnae.records.outcome import EndedBy
from learnae.resources import scenario_files
from learnae.session.session_file import parse, resolved

BASE: dict[str, Any] = {"peers": 5, "data": {"rows": 1000}, "work": {"slices": 4, "patience": 5}}
KILL = {"kind": "kill", "at": 4, "duration": 6, "targets": ["p00"]}


def test_undisturbed_is_the_same_session_without_faults_and_with_honest_peers() -> None:
    table = BASE | groups({"count": 4}, {"count": 1, "policy": "hijacker", "victim": "p00", "joins_at": 3.0})
    calm = undisturbed(parse(table | {"faults": [KILL]}))
    assert calm.faults == () and {group.policy for group in calm.groups} == {Policy.HONEST}
    assert [group.joins_at for group in calm.groups] == [0.0, 3.0]
    assert resolved(calm)["data"] == resolved(parse(table))["data"]


def test_income_and_expenses_are_reported_by_policy() -> None:
    table = BASE | groups({"count": 4}, {"count": 1, "policy": "refuses-to-pay"})
    found = fault_impact(run(table).history, run(BASE).history)
    assert found.spent["refuses-to-pay"] == 0 < found.earned["refuses-to-pay"]
    assert found.spent["honest"] < found.earned["honest"] + found.earned["refuses-to-pay"]
    assert found.lost == pytest.approx(100 * ((found.accuracy_undisturbed or 0) - (found.accuracy or 0)))
    assert json.loads(json.dumps(to_json(found)))["lost_points"] == found.lost


def test_without_evaluations_the_loss_is_unknown() -> None:
    nothing = History(())
    assert fault_impact(nothing, nothing).lost is None


def test_the_longest_stall_is_of_an_unaffected_peer_from_its_work_to_the_end_of_a_unit() -> None:
    began = run(BASE | {"peers": 2}).records[0]
    trained, done = Trained(0, 1, Cid("b"), Score(1, 2)), WorkChanged(WorkState.DONE)
    hit = Record(2.0, "swarm", FaultBegan(0, parse(BASE | {"faults": [KILL]}).faults[0].kind, ("p01",), ()))

    def stall(*told: tuple[float, Fact]) -> float | None:
        records = [began, hit, Record(1.0, "p01", trained), Record(50.0, "p01", trained)]
        return longest_stall(History((*records, *(Record(at, "p00", fact) for at, fact in told))))

    begun, training = (0.0, WorkChanged(WorkState.IDLE)), WorkChanged(WorkState.TRAINING)
    assert stall((1.0, trained), (2.0, trained), (5.0, trained), (6.0, done)) == 3.0
    assert stall(begun, (9.0, training), (13.0, trained), (14.0, trained), (14.0, done)) == 4.0
    assert stall((1.0, trained), (2.0, trained), (2.0, done), (20.0, done)) == 1.0
    again: list[tuple[float, Fact]] = [(9.0, WorkChanged(WorkState.IDLE)), (9.0, WorkChanged(WorkState.MERGING))]
    assert stall((0.0, training), (1.0, trained), (1.0, done), *again, (11.0, trained), (11.0, done)) == 2.0
    assert stall((1.0, trained), (9.0, training), (70.0, SessionEnded(EndedBy.MAX_DURATION))) == 69.0
    assert longest_stall(History((began, hit))) is None


def test_faults_are_shaded_along_seconds_until_they_are_healed_or_to_the_end() -> None:
    session = run(BASE | {"faults": [KILL], "pace": {"slice": 2.0}})
    assert all(figure.shades == () for figure in figures(session.history, "units"))
    for figure in figures(session.history, "seconds"):
        [shade] = figure.shades
        assert (round(shade.end - shade.begin), shade.label) == (6, "kill")
    cut = [record for record in session.records if record.t < shade.end]
    assert fault_windows(History(tuple(cut)))[0].end == cut[-1].t


def test_income_from_copies_is_separate_from_income_from_work() -> None:
    copies = BASE | groups({"count": 3}, {"count": 2, "policy": "copycat", "forgery": "perturbed"})
    found = fault_impact(run(copies).history, run(BASE).history)
    assert 0 < found.forged["copycat"] <= found.earned["copycat"] and found.forged["honest"] == 0
    exact = BASE | groups({"count": 3}, {"count": 2, "policy": "copycat"})
    assert fault_impact(run(exact).history, run(BASE).history).forged["copycat"] == 0


def test_with_a_fee_pool_income_from_copies_is_part_of_what_the_pool_paid() -> None:
    copies = BASE | groups({"count": 3}, {"count": 2, "policy": "copycat", "forgery": "perturbed"})
    history = run(copies | {"defence": {"kind": "profiles"}}).history
    found = fault_impact(history, history)
    assert 0 < found.forged["copycat"] <= found.earned["copycat"] and found.forged["honest"] == 0


# the commands


@pytest.mark.parametrize("backend", ["sim", "embedded"])
def test_a_scenario_is_planned_run_and_compared_with_the_undisturbed_session(backend: str, tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(
        'name = "small"\nabout = "It falls."\npeers = 3\nlinger = 1.0\n'
        "[data]\nrows = 300\nvalidation_rows = 100\ntest_rows = 100\n"
        "[model]\nhidden = [8]\n[work]\nslices = 5\npatience = 3\n[pace]\nslice = 1.0\n"
        '[[faults]]\nkind = "kill"\nat = 1\nduration = 2\ntargets = ["p01"]\n'
    )
    planned = here(tmp_path, "chaos", "plan", file)
    assert "kill p01" in planned.stdout and planned.returncode == 0
    done = here(tmp_path, "chaos", "run", file, "--backend", backend, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "small: It falls." in done.stdout and "undisturbed" in done.stdout and ALL_PASSED in done.stdout
    found = json.loads((tmp_path / "run" / "chaos.json").read_text())
    assert (tmp_path / "run" / "figures" / "overview-seconds.png").is_file()  # shaded
    assert found["accuracy"] and found["accuracy_undisturbed"] and found["earned"]["honest"] > 0


def test_the_scenarios_are_listed_each_with_what_it_shows(tmp_path: Path) -> None:
    listed = here(tmp_path, "chaos", "list").stdout
    for path in scenario_files().values():
        assert f"{path.stem}\n" in listed


@pytest.mark.parametrize("name", ["meteor", "m" * 300])
def test_a_scenario_that_does_not_exist_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    refused(here(tmp_path, "chaos", "run", name), f"there is no scenario and no file {name}: ")
