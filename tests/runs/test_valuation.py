"""Coalitions: simulated with some peers only, kept in a file, and summed up."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.helpers.command_line import here, refused

from learnae.analysis.shapley import NOBODY
from learnae.backends.sim.simulation import MemoryHistory, Simulation
from learnae.errors import InputError
from learnae.runs.coalitions import VALUES, Coalitions, simulate_coalition
from learnae.runs.valuation import PeerValue, Valuation, Worth, valuation, write
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse, to_toml

SESSION = parse(
    {
        "name": "tiny",
        "peers": 3,
        "evaluation_peers": 0,
        "data": {"rows": 200, "validation_rows": 100, "test_rows": 1000},
        "work": {"slices": 2, "patience": 2},
        "model": {"epochs": 1},
        "groups": [{"count": 2}, {"has_rows": False, "computes": False}],
    }
)
ALL = frozenset({"p00", "p01", "p02"})


@pytest.fixture(scope="module")
def learning() -> TorchLearning:
    return TorchLearning(SESSION, 1)


def test_the_coalition_of_all_is_the_session_itself(learning: TorchLearning) -> None:
    histories = []
    for present in (None, ALL):
        recording = MemoryHistory()
        Simulation(SESSION, learning, [recording.observe], present=present).run()
        histories.append([record.line() for record in recording.records])
    assert histories[0] == histories[1]


def test_peers_outside_a_coalition_do_nothing_and_nobody_waits_for_them(learning: TorchLearning) -> None:
    recording = MemoryHistory()
    Simulation(SESSION, learning, [recording.observe], present={"p00", "p02"}).run()
    assert {record.peer for record in recording.records} == {"p00", "p02", "swarm"}
    assert recording.records[-1].t < 60


def test_who_never_gets_a_model_has_the_initial_weights(learning: TorchLearning) -> None:
    nobody = simulate_coalition(learning, NOBODY)
    buyer = simulate_coalition(learning, frozenset({"p02"}))
    assert buyer.accuracy == {"p02": nobody.mean}
    trainer = simulate_coalition(learning, frozenset({"p00"}))
    assert trainer.mean > nobody.mean
    assert trainer.public == pytest.approx(trainer.mean)


def test_money_of_a_coalition_stays_in_it(learning: TorchLearning) -> None:
    result = simulate_coalition(learning, ALL)
    assert sum(result.earned.values()) == pytest.approx(sum(result.spent.values()))
    assert sum(result.spent.values()) > 0 == result.earned["p02"]
    assert set(result.accuracy) == ALL


def write_results(folder: Path) -> None:
    """As if all coalitions of the session had been simulated: p00 adds 0.3, p01 adds 0.1."""
    Coalitions(SESSION, folder, 1)
    with (folder / VALUES).open("a") as file:
        for number in range(8):
            members = [f"p{index:02}" for index in range(3) if number >> index & 1]
            reached = 0.5 + 0.3 * ("p00" in members) + 0.1 * ("p01" in members)
            money = {name: float(name == "p00") for name in members}
            accuracy = dict.fromkeys(members or [""], reached)
            result = {
                "accuracy": accuracy,
                "public": 0.5,
                "earned": money,
                "spent": {name: 0.0 for name in members},
                "gas": {},
            }
            file.write("\n" + json.dumps({"members": members, **result}))


def valued(folder: Path, worth: Worth = Worth.MEMBERS) -> Valuation:
    counted: list[tuple[str, int, int]] = []
    result = asyncio.run(valuation(SESSION, folder, worth, 10, 0.0, 1, lambda *step: counted.append(step)))
    assert counted[-1] == ("coalitions", 8, 8)
    return result


def test_kept_coalitions_are_not_simulated_again(tmp_path: Path) -> None:
    write_results(tmp_path)
    result = valued(tmp_path)
    assert [peer.shapley for peer in result.peers] == pytest.approx([0.3, 0.1, 0.0])
    assert [peer.leave_one_out for peer in result.peers] == pytest.approx([0.3, 0.1, 0.0])
    assert [peer.gain for peer in result.peers] == pytest.approx([0.1, 0.3, 0.4])
    assert result.measures["Gini coefficient of income"] == pytest.approx(2 / 3)
    assert [result.nobody, result.everybody] == pytest.approx([0.5, 0.9])
    assert result.simulated == 8


def test_the_worth_of_the_mean_model_is_another_measure(tmp_path: Path) -> None:
    write_results(tmp_path)
    result = valued(tmp_path, Worth.PUBLIC)
    assert [peer.shapley for peer in result.peers] == [0.0, 0.0, 0.0]
    assert result.measures["correlation of income and value"] is None


def test_a_result_is_written_as_json_csv_and_figure(tmp_path: Path) -> None:
    write_results(tmp_path)
    write(valued(tmp_path), tmp_path)
    written = json.loads((tmp_path / "value.json").read_text())
    assert [peer["peer"] for peer in written["peers"]] == ["p00", "p01", "p02"]
    assert (tmp_path / "value.csv").read_text().splitlines()[0] == ",".join(PeerValue.__dataclass_fields__)
    assert (tmp_path / "value.png").read_bytes().startswith(b"\x89PNG")


def test_a_torn_last_line_is_simulated_again_and_other_sessions_are_refused(tmp_path: Path) -> None:
    write_results(tmp_path)
    text = (tmp_path / VALUES).read_text()
    (tmp_path / VALUES).write_text(text[:-30])
    assert len(Coalitions(SESSION, tmp_path, 1).results) == 7
    (tmp_path / VALUES).write_text(text.replace('"key": "', '"key": "0'))
    with pytest.raises(InputError, match="values of another session, data or program: choose another --out"):
        Coalitions(SESSION, tmp_path, 1)


@pytest.mark.slow
def test_the_command_simulates_in_processes_and_continues(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(to_toml(SESSION))
    done = here(tmp_path, "value", "tiny.toml", "--jobs", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Shapley value" in done.stdout and "correlation of income and value" in done.stdout
    kept = (tmp_path / "out" / VALUES).read_text()
    again = here(tmp_path, "value", "tiny.toml", "--jobs", 1, "--out", tmp_path / "out")
    assert again.stdout == done.stdout
    assert (tmp_path / "out" / VALUES).read_text() == kept
    assert len(kept.splitlines()) == 1 + 8


def test_sessions_with_faults_are_refused(tmp_path: Path) -> None:
    refused(here(tmp_path, "value", "split-half"), "is a scenario")
    (tmp_path / "faulty.toml").write_text(
        'name = "f"\npeers = 3\n[[faults]]\nkind = "kill"\ntargets = ["p01"]\nat = 3.0\n'
    )
    refused(here(tmp_path, "value", "faulty.toml"))
