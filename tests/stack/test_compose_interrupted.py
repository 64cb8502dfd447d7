"""Ctrl-C in the middle of a session on containers: it heals, stops, collects, says what it did, and leaves nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.command_line import here
from tests.helpers.waiting import until
from tests.stack.compose_swarm import PATIENCE, Command, left

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.live_run import FAULTS
from learnae.cli.output import INTERRUPTED
from learnae.protocol.decisions import DebtChanged
from learnae.records.history import FaultBegan, FaultEnded
from learnae.records.outcome import EndedBy

pytestmark = pytest.mark.docker

SESSION = """
name = "interrupted"
peers = 4
max_duration = 600.0
[data]
rows = 1000
validation_rows = 300
[model]
hidden = [16]
[pace]
slice = 2.0
attempt = 1.0
[start]
timeout = 60.0
[[faults]]
kind = "split"
at = 3
duration = 300
[[faults]]
kind = "pause"
at = 4
duration = 300
targets = ["p01"]
"""


@pytest.fixture
def chaos(tmp_path: Path) -> Iterator[Command]:
    file = tmp_path / "session.toml"
    file.write_text(SESSION)
    yield Command(tmp_path / "run", "chaos", "run", file)
    here(tmp_path, "compose", "down")


def test_ctrl_c_in_the_middle_of_faults_heals_stops_the_peers_collects_and_judges(chaos: Command) -> None:
    faults = chaos.run / FAULTS
    until(lambda: faults.is_file() and faults.read_text().count("FaultBegan") == 2, PATIENCE)
    chaos.when("payments [1-9]")
    chaos.press_ctrl_c()
    assert chaos.end() == INTERRUPTED, "\n".join(chaos.lines)
    assert left() == ""
    chaos.when("Chaos: everything is healed, before the plan was at its end.")
    chaos.when("Interrupted: stopping the peers first, so that their journals are complete.")
    chaos.when("containers and their network.")
    chaos.when("the session was interrupted.")
    chaos.when("Run directory:")
    history = RunDirectory(chaos.run).read()
    assert history.ended_by == EndedBy.INTERRUPTED and list(history.facts(DebtChanged))
    assert len(list(history.facts(FaultBegan))) == 2 and not list(history.facts(FaultEnded))
    audited = here(chaos.run, "audit", chaos.run)
    assert (audited.returncode, audited.stderr) == (1, "")
    checks = RunDirectory(chaos.run).verdict()["checks"]
    assert checks["every_peer_finished"]["reason"].startswith("partial")
    sound = (
        "blocks_and_nonces_consecutive",
        "wei_conserved",
        "debts_paid_once",
        "amounts_follow_reward_function",
        "adopted_only_if_better",
    )
    assert {checks[name]["result"] for name in sound} == {"valid"}, checks
