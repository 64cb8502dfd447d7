"""A learning rate with which every training diverges: the run says so in its history, verdict and report."""

from pathlib import Path
from typing import Any

import pytest

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.sim.backend import simulate
from learnae.cli.output import print_verdict
from learnae.errors import Reason
from learnae.protocol.decisions import Trained, TrainingFailed
from learnae.runs.drawing import write_report
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse

SESSION: dict[str, Any] = {
    "peers": 3,
    "data": {"rows": 200, "validation_rows": 100, "test_rows": 500},
    "work": {"slices": 2, "patience": 2},
    "model": {"hidden": [8], "learning_rate": 1000.0, "epochs": 20},
}


def test_training_that_diverges_is_recorded_and_never_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = parse(SESSION)
    run = RunDirectory.create(tmp_path, "run", tmp_path / "run")
    simulate(session, TorchLearning(session, 1), run)
    history = run.read()
    assert [fact.reason for _, fact in history.facts(TrainingFailed)] == [Reason.NOT_FINITE] * 6
    assert not list(history.facts(Trained))
    verdict = run.judge(history, 1.0)
    sentence = "p00: training on 2 of 2 slices diverged (weights became infinite)"
    assert verdict["verdict"] == "invalid"
    assert sentence in verdict["checks"]["training_did_not_diverge"]["reason"]
    [notice] = verdict["notices"]
    assert notice.startswith("At the end, the models of p00, p01, p02 are hardly better than untrained ones: try")
    print_verdict(run, verdict)
    for text in (capsys.readouterr().out, write_report(run, history, verdict).read_text(encoding="utf-8")):
        assert sentence in text and notice in text
