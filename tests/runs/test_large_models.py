"""Sessions whose models have several MiB: checked, audited and executed again like those of small ones."""

import json
from pathlib import Path

import pytest
from tests.helpers.command_line import Done, here, learnae

from learnae.adapters.kept_models import MODELS
from learnae.adapters.run_directory import RunDirectory
from learnae.messages.wire import MAX_BLOCK
from learnae.protocol.actions import FetchModel
from learnae.protocol.decisions import Averaged, Published
from learnae.protocol.events import ModelFetched
from learnae.protocol.replay import new_peer, replay_steps
from learnae.runs.run_journals import read_run_journals
from learnae.session.session_file import parse

pytestmark = pytest.mark.slow

SIZE = 4 * (28 * 780 + 780 + 780 * 780 + 780 + 780 * 2 + 2)  # bytes of weights: three chunks
SESSION = """
peers = 4
linger = 1.0
data = {rows = 100, validation_rows = 100, test_rows = 100}
work = {slices = 1, passes = 1, patience = 1, idle_after = 1.0}
model = {hidden = [780, 780], epochs = 1}
chain = {block_time = 0.2, poll = 0.2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "session.toml").write_text(SESSION, encoding="utf-8")
    return tmp_path


def succeeded(done: Done) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def require_large_models(run: Path) -> None:
    """All checks passed, and peers fetched and averaged models that are lists of chunks."""
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["verdict"] == "valid", verdict["checks"]
    history = RunDirectory(run).read()
    published = [fact.cid for _, fact in history.facts(Published)]
    assert published and all(cid.startswith("bafybei") for cid in published)
    assert list(history.facts(Averaged))


def fetch_times(run: Path) -> list[float]:
    """Seconds that each fetch took."""
    times = []
    for config, entries, *_ in read_run_journals(run, RunDirectory(run).read()).values():
        began: dict[int, float] = {}
        for event, actions in replay_steps(new_peer(config), entries):
            began |= {action.request: event.at for action in actions if isinstance(action, FetchModel)}
            if isinstance(event, ModelFetched):
                times.append(event.at - began[event.request])
    return times


def test_a_simulated_session_with_models_of_three_chunks_is_valid_and_executed_again(folder: Path) -> None:
    succeeded(here(folder, "simulate", "session.toml", "--out", "run"))
    require_large_models(folder / "run")
    took = fetch_times(folder / "run")
    assert took and min(took) >= SIZE / parse({}).network.bandwidth, "the time of all chunks, not of their list"
    succeeded(here(folder, "check", "run"))
    succeeded(here(folder, "audit", "run", "--replay"))


def test_an_embedded_session_with_models_of_three_chunks_is_valid_and_executed_again(folder: Path) -> None:
    succeeded(learnae(folder, "swarm", "session.toml", "--backend", "embedded", "--port", "0", "--out", "run"))
    require_large_models(folder / "run")
    assert all(path.stat().st_size > 2 * MAX_BLOCK for path in (folder / "run" / MODELS).iterdir())
    succeeded(here(folder, "audit", "run", "--replay"))
