"""Every scenario in the simulator, as `learnae chaos run` plays it; what each is there to show is in its numbers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from learnae.checks import CHECKS

SCENARIOS = Path(__file__).parent
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.toml"))
STALL = 10.0  # s
POINT = 1.0  # percentage point of accuracy on test rows

# issue 7, "what must be shown"; None: its checks are all there is to show
SHOWS: dict[str, Callable[[dict[str, Any]], bool] | None] = {
    "chain-outage": None,
    "chain-rollback": None,
    "copycats": lambda found: found["forged"]["copycat"] == 0,
    "creator-dead": lambda found: found["stall"] <= STALL,
    "flaky-links": lambda found: found["lost_points"] <= POINT,
    "hijackers-paper": lambda found: found["earned"]["hijacker"] > 0,
    "hijackers-proven": lambda found: found["earned"]["hijacker"] == 0,
    "ipfs-restart": lambda found: found["stall"] <= STALL,
    "isolate-one": lambda found: found["stall"] <= STALL,
    "kill-five-of-twenty": lambda found: found["stall"] <= STALL,
    "non-payers": lambda found: found["spent"]["refuses-to-pay"] == 0 < found["earned"]["refuses-to-pay"],
    "perturbed-copycats": lambda found: found["forged"]["copycat"] > 0,
    "poisoners": lambda found: found["earned"]["poisoner"] == 0 and found["lost_points"] <= POINT,
    "profiteers": None,
    "rolling-downtime": lambda found: found["lost_points"] <= POINT,
    "spammer": lambda found: found["earned"]["spammer"] == 0,
    "split-half": lambda found: found["lost_points"] <= POINT,
}


def test_every_scenario_is_here_and_says_what_it_shows() -> None:
    assert NAMES == sorted(SHOWS)


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_ends_valid_and_shows_what_it_is_there_for(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "learnae", "chaos", "run", name, "--backend", "sim", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=SCENARIOS.parents[1], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{name}: ") and "Verdict: valid" in done.stdout
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["checks"].keys() == CHECKS.keys()
    assert verdict["summary"]["peers_finished"] == verdict["summary"]["peers_expected"] == 20
    shows, found = SHOWS[name], json.loads((tmp_path / "chaos.json").read_text())
    assert shows is None or shows(found), found
