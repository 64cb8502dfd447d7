"""``learnae audit --replay`` of a session whose peers train on rows of sensors and of each other."""

from pathlib import Path
from typing import Any

from tests.helpers.swarms import small

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.sim.backend import simulate
from learnae.protocol.decisions import Trained
from learnae.protocol.row_types import RowsPublished
from learnae.records.history import ReadingPublished
from learnae.runs.replay_run import ReplayOptions, replay_run
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse

GROUPS: list[dict[str, Any]] = [
    {"count": 1, "bridge": True},
    {"count": 1, "has_rows": False},
    {"count": 1, "computes": False, "policy": "row-poisoner"},
    {"count": 1, "sensor": True, "computes": False, "wants_payment": False},
]
DATA = {"rows": 200, "validation_rows": 100, "judging_rows": 100, "test_rows": 100}
SESSION = parse(
    small(*GROUPS, peers=4, privacy=False, data=DATA, model={"hidden": [8]}, feed={"rows": 50, "every": 0.5})
)


def test_every_job_on_received_rows_is_executed_again(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run", tmp_path / "run")
    simulate(SESSION, TorchLearning(SESSION, 1), directory)
    history = directory.read()
    trained = {fact.rows for _, fact in history.facts(Trained) if fact.rows}
    assert {fact.cid for _, fact in history.facts(ReadingPublished)} < trained, "rows of sensors, and ..."
    assert trained & {fact.cid for record, fact in history.facts(RowsPublished) if record.peer == "p02"}, "of providers"
    outcome = replay_run(directory.path, history, ReplayOptions())
    assert (outcome.wrong, outcome.missing, outcome.failures, outcome.replayed.blocked) == ([], [], [], [])
    assert outcome.replayed.executed["training"] == len(history.of(Trained))
