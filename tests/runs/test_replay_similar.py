"""``learnae audit --replay`` of a session that refuses models which predict nearly the same as earlier ones."""

from dataclasses import replace

import pytest
from tests.helpers.swarms import small

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis import checks
from learnae.analysis.checks.result import CheckOutcome
from learnae.backends.sim.backend import simulate
from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import AttemptFailed
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
    assert outcome.replayed.executed["averaging"] > 0 and outcome.replayed.executed["comparison"] > 0


def test_who_refuses_a_model_names_one_that_is_similar_enough(run: RunDirectory) -> None:
    assert checks.CHECKS["refused_models_are_similar"](run.read()).result is CheckOutcome.VALID
    refusals = [fact for _, fact in run.read().facts(AttemptFailed) if fact.reason is Reason.SIMILAR]
    assert refusals and all(fact.similar and fact.similar.equal.total == 100 for fact in refusals)


@pytest.mark.parametrize(("more", "near"), [(1, True), (2, False)])
def test_an_edited_share_of_a_refusal_is_named(run: RunDirectory, more: int, near: bool) -> None:
    """The run kept no models, so all is executed again up to the refusal."""
    replay = Replay(TorchLearning(SESSION, 1), read_run_journals(run.path, run.read()), {})
    at = next(number for number, job in enumerate(replay.jobs) if job.refused_for)
    job = replay.jobs[at]
    assert isinstance(job.answer, on.RequestFailed) and (like := job.answer.similar)
    edited = replace(like, equal=replace(like.equal, correct=like.equal.correct - more))
    replay.jobs[at] = replace(job, answer=replace(job.answer, similar=edited))
    (difference,) = replay.run(replay.jobs).differences
    assert difference.near is near and f"on {like.equal.correct - more} of 100 rows, compared again" in str(difference)


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
