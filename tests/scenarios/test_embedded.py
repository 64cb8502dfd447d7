"""The paper's session among four live peers: what it learns is what the simulator learns, and it is paid for."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def summary(command: str, folder: Path, *options: str) -> dict[str, Any]:
    arguments = [command, "paper", "--peers", "4", "--out", str(folder / command), *options]
    done = subprocess.run([sys.executable, "-m", "learnae", *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / command / "verdict.json").read_text())
    assert found["verdict"] == "valid", found["checks"]
    return found["summary"]  # type: ignore[no-any-return]


def test_four_live_peers_learn_what_four_simulated_ones_do(tmp_path: Path) -> None:
    live = summary("swarm", tmp_path, "--backend", "embedded", "--port", "0")
    simulated = summary("simulate", tmp_path)
    assert live["peers_finished"] == 4
    assert live["payments_per_peer"]["min"] >= 1
    assert set(live["debts_by_state"]) == {"final"}
    assert abs(live["accuracy_test_mean"] - simulated["accuracy_test_mean"]) < 0.01
    checked = subprocess.run([sys.executable, "-m", "learnae", "check", str(tmp_path / "swarm")], capture_output=True)
    assert checked.returncode == 0
