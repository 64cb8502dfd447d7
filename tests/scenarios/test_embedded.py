"""The paper's session among four live peers: what it learns is what the simulator learns, and it is paid for."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.tables import peers

pytestmark = pytest.mark.slow
PAPER = ("paper", "--peers", "4")


def summary(command: str, folder: Path, *options: str, session: Sequence[str] = PAPER) -> dict[str, Any]:
    arguments = [command, *session, "--out", str(folder / command), *options]
    done = subprocess.run([sys.executable, "-m", "learnae", *arguments], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / command / "verdict.json").read_text())
    assert found["verdict"] == "valid", found["checks"]
    return found["summary"]  # type: ignore[no-any-return]


def test_four_live_peers_learn_what_four_simulated_ones_do(tmp_path: Path) -> None:
    live = summary("swarm", tmp_path, "--backend", "embedded", "--port", "0")
    simulated = summary("simulate", tmp_path)
    assert live["peers_finished"] == 4
    assert live["payments_per_peer"]["mean"] >= 1
    assert set(live["debts_by_state"]) == {"final"}
    assert abs(live["accuracy_test_mean"] - simulated["accuracy_test_mean"]) < 0.01
    checked = subprocess.run([sys.executable, "-m", "learnae", "check", str(tmp_path / "swarm")], capture_output=True)
    assert checked.returncode == 0


def test_live_profiteers_train_on_the_rows_of_providers_and_are_paid(tmp_path: Path) -> None:
    summary("swarm", tmp_path, "--backend", "embedded", "--port", "0", session=["providers-profiteers"])
    by_role = {"provider": [0, 0], "profiteer": [0, 0]}
    for peer in peers(RunDirectory(tmp_path / "swarm").read()):
        by_role[peer.role][0] += peer.received_wei
        by_role[peer.role][1] += peer.row_blocks_trained
    assert by_role["provider"] == [0, 0]
    assert by_role["profiteer"][0] > 0 and by_role["profiteer"][1] == 4 * 16  # each on all blocks
