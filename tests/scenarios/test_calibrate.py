"""A run beside simulated seeds of itself, as `learnae calibrate` puts it; tests/stack does so with a live one."""

import json
from pathlib import Path

import pytest
from tests.helpers.command_line import here
from tests.helpers.swarms import small
from tests.runs.test_calibrate import TORCH

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.live_run import SESSION
from learnae.backends.sim.backend import simulate
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import load, parse

pytestmark = pytest.mark.slow


def test_a_run_is_put_beside_simulated_seeds_of_itself(tmp_path: Path) -> None:
    settings = parse(small(**TORCH))
    folder = tmp_path / "run"
    simulate(settings, TorchLearning(settings, 1), RunDirectory.create(tmp_path, "run", folder))
    done = here(tmp_path, "calibrate", folder, "--seeds", 3)
    calibrated, session = load(folder / "calibrated.toml"), load(folder / SESSION)
    assert calibrated.cost.train == pytest.approx(session.cost.train, rel=0.3)
    assert (calibrated.work, calibrated.data) == (session.work, session.data)
    found = json.loads((folder / "calibration.json").read_text())
    assert [each["metric"] for each in found["compared"]] == ["payments_mean", "success_rate", "accuracy_test_mean"]
    assert {each["seeds"]["count"] for each in found["compared"]} == {3}
    assert done.returncode == (0 if all(each["holds"] for each in found["compared"]) else 1), done.stderr
    for each in found["compared"]:
        assert each["live"] > 0 and ("outside" in done.stdout or each["inside"])
    assert "3 simulated seeds" in done.stdout
