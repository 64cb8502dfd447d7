"""``learnae audit --replay`` of a session that refuses models which predict nearly the same as earlier ones."""

from dataclasses import replace

import pytest
from tests.helpers.swarms import small

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.sim.backend import simulate
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.runs.replay import Job, Replay
from learnae.runs.replay_run import ReplayOptions, replay_run
from learnae.runs.run_journals import read_run_journals
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse

DATA = {"rows": 200, "validation_rows": 100, "judging_rows": 100, "test_rows": 100}
SESSION = parse(small({}, peers=4, data=DATA, model={"hidden": [8]}, defence={"similar": "0.97"}))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """It keeps no models."""
    folder = tmp_path_factory.mktemp("similar")
    directory = RunDirectory.create(folder, "run", folder / "run")
    simulate(SESSION, TorchLearning(SESSION, 1), directory)
    return directory


def test_averages_whose_parents_are_dropped_are_not_refused_as_copies(run: RunDirectory) -> None:
    outcome = replay_run(run.path, run.read(), ReplayOptions())
    assert (outcome.wrong, outcome.missing, outcome.failures) == ([], [], [])
    assert outcome.replayed.executed["averaging"] > 0


def test_a_model_that_a_restarted_peer_had_nothing_to_compare_with_is_accepted_again(run: RunDirectory) -> None:
    """The peer names the earlier models by its journal, which holds more than the peer does after a restart."""
    replay = Replay(TorchLearning(SESSION, 1), read_run_journals(run.path, run.read()), {})
    replay.jobs = [_accepted_unseen(job) for job in replay.jobs]
    assert any(isinstance(job.request, do.AverageModels) for job in replay.jobs)
    assert replay.run(replay.jobs).differences == []


def _accepted_unseen(job: Job) -> Job:
    """With the remote model itself among the earlier ones, which it is like."""
    request = job.request
    if not isinstance(request, do.AverageModels) or not isinstance(job.answer, on.ModelScored):
        return job
    return replace(job, request=replace(request, earlier=(request.remote.weights.cid,)))
