"""The pool runs waiting jobs together, and the results do not show it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.learn.small import TABLE, close, network, score_job, settings, table, train_job

from learnae.learn.batching import Job, JobFuture, JobResult, Pool, run_jobs


def run(pool: Pool, jobs: list[Job]) -> list[JobResult]:
    futures = [pool.submit(job) for job in jobs]
    return [future.result() for future in futures]


def mixed() -> list[Job]:
    return [job for seed in range(6) for job in (train_job(seed), score_job(seed))]


def test_batched_and_one_by_one_agree() -> None:
    for one, other in zip(run(Pool(1), mixed()), run(Pool(1, batch=1), mixed()), strict=True):
        assert close(one.weights, other.weights)
        assert abs(one.score.correct - other.score.correct) <= 1


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_jobs_in_the_same_order_give_the_same_bits(threads: int) -> None:
    for one, other in zip(run(Pool(threads), mixed()), run(Pool(threads), mixed()), strict=True):
        assert torch.equal(one.weights, other.weights)
        assert one.score.correct == other.score.correct


def test_how_many_rows_are_selected_at_once_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Job] = [train_job(seed, rows=43) for seed in range(3)]  # 43 = 2 x 16 + 11
    expected = run(Pool(1), jobs)
    for steps in (0, 1, 2):
        monkeypatch.setattr("learnae.learn.batching.SELECTED_NUMBERS", steps * 3 * 16 * 28)
        for one, other in zip(run(Pool(1), jobs), expected, strict=True):
            assert torch.equal(one.weights, other.weights)


def test_each_job_has_its_own_order_of_rows() -> None:
    job = train_job()
    first, second = run(Pool(1), [job, replace(job, seed=1)])
    assert not torch.equal(first.weights, second.weights)


def test_nothing_runs_before_a_result_is_asked_for_and_then_everything_does() -> None:
    pool = Pool(1)
    futures = [pool.submit(score_job(seed)) for seed in range(5)]
    assert pool.batch_sizes == []
    futures[3].result()
    assert pool.batch_sizes == [5]
    futures[0].result()
    assert pool.batch_sizes == [5]


def test_equal_shapes_run_together_and_unequal_ones_apart() -> None:
    jobs: list[Job] = [
        *[train_job(seed) for seed in range(3)],
        *[score_job(seed) for seed in range(4)],
        train_job(rows=41),
        train_job(how=settings(epochs=1)),
        train_job(net=network(5)),
        score_job(rows=51),
        replace(score_job(), dataset=table()),
    ]
    pool = Pool(1)
    ran: list[int] = []
    for future in [pool.submit(job) for job in jobs]:
        if not future.done():
            future.result()
            ran += pool.batch_sizes
    assert ran == [3, 4, 1, 1, 1, 1, 1]


def test_a_score_that_is_needed_leaves_training_to_gather() -> None:
    pool = Pool(1)
    training, score = pool.submit(train_job()), pool.submit(score_job())
    score.result()
    assert not training.done()
    more = pool.submit(train_job(1))
    training.result()
    assert more.done()
    assert pool.batch_sizes == [2]


@pytest.mark.parametrize(
    ("threads", "batch", "jobs", "batches"),
    [
        (1, 0, 12, [12]),
        (2, 0, 20, [10, 10]),
        (2, 0, 1, [1]),
        (1, 0, 20, [20]),
        (1, 0, 50, [16, 17, 17]),
        (2, 0, 40, [20, 20]),
        (2, 0, 50, [12, 13, 12, 13]),
        (1, 5, 12, [4, 4, 4]),
        (2, 1, 3, [1, 1, 1]),
    ],
)
def test_batches_are_even_bounded_and_enough_for_the_threads(
    threads: int, batch: int, jobs: int, batches: list[int]
) -> None:
    pool = Pool(threads, batch)
    run(pool, [score_job(seed) for seed in range(jobs)])
    assert pool.batch_sizes == batches


def test_training_scores_the_trained_weights() -> None:
    trained = run(Pool(1), [train_job()])[0]
    again = run(Pool(1), [replace(score_job(), weights=trained.weights, rows=train_job().rows)])[0]
    assert trained.score.correct == again.score.correct


def test_jobs_that_score_the_same_rows_count_as_if_each_had_its_own_copy() -> None:
    shared = torch.arange(700)  # more than are scored at once
    together = run(Pool(1), [replace(score_job(seed), rows=shared) for seed in range(4)])
    apart = run(Pool(1), [replace(score_job(seed), rows=shared.clone()) for seed in range(4)])
    assert [result.score.correct for result in together] == [result.score.correct for result in apart]


def test_a_jobs_own_weights_never_change() -> None:
    jobs = mixed()
    before = [job.weights.clone() for job in jobs]
    run(Pool(1), jobs)
    assert all(torch.equal(job.weights, old) for job, old in zip(jobs, before, strict=True))


def test_a_result_can_be_asked_for_twice() -> None:
    future = Pool(1).submit(train_job())
    assert future.result() is future.result()


def test_a_job_that_raises_affects_only_itself() -> None:
    pool, outside = Pool(1), torch.arange(50) + len(TABLE)
    futures = [pool.submit(job) for job in (score_job(0), replace(score_job(1), rows=outside), score_job(2))]
    assert futures[0].result().score.correct == run(Pool(1), [score_job(0)])[0].score.correct
    assert futures[2].result().score.correct == run(Pool(1), [score_job(2)])[0].score.correct
    for _ in range(2):
        with pytest.raises((IndexError, RuntimeError)):
            futures[1].result()


def test_a_job_that_diverges_affects_only_itself() -> None:
    wild = replace(train_job(1), weights=torch.full_like(train_job(1).weights, 1e30))
    results = run(Pool(1), [train_job(0), wild, train_job(2)])
    alone = run(Pool(1), [train_job(0)])[0]
    assert close(results[0].weights, alone.weights)
    assert not torch.isfinite(results[1].weights).all()


def test_many_threads_that_wait_get_their_own_results() -> None:
    expected = [result.score.correct for result in run(Pool(1), [train_job(seed) for seed in range(8)])]
    pool, together = Pool(2), threading.Barrier(8)

    def peer(seed: int) -> int:
        together.wait()
        future = pool.submit(train_job(seed))
        return future.result().score.correct

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(peer, range(8))) == pytest.approx(expected, abs=1)


def test_the_first_of_many_waiting_threads_runs_everything_once() -> None:
    pool, together, batches = Pool(1), threading.Barrier(6), []
    futures = [pool.submit(score_job(seed)) for seed in range(6)]

    def peer(future: JobFuture) -> int:
        together.wait()
        found = future.result().score.correct
        batches.append(list(pool.batch_sizes))
        return found

    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(peer, futures))
    assert found == [result.score.correct for result in run(Pool(1), [score_job(seed) for seed in range(6)])]
    assert batches == [[6]] * 6


def test_a_job_can_be_submitted_while_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, running, submitted = Pool(1), threading.Event(), threading.Event()

    def slow(jobs: list[Job], *where: Any) -> list[JobResult]:
        running.set()
        assert submitted.wait(60)
        return run_jobs(jobs, *where)

    monkeypatch.setattr("learnae.learn.batching.run_jobs", slow)
    first = pool.submit(score_job(0))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(first.result)
        assert running.wait(60)
        second = pool.submit(score_job(1))
        submitted.set()
        waiting.result(60)
    assert pool.batch_sizes == [1]
    second.result()
    assert pool.batch_sizes == [1]


def test_an_interrupted_run_is_an_error_and_not_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(jobs: list[Job], *where: Any) -> list[JobResult]:
        raise KeyboardInterrupt

    pool = Pool(1)
    first, second = pool.submit(score_job(0)), pool.submit(score_job(1))
    with monkeypatch.context() as patch:
        patch.setattr("learnae.learn.batching.run_jobs", interrupted)
        with pytest.raises(KeyboardInterrupt):
            first.result()
    with pytest.raises(RuntimeError, match="interrupted"):
        second.result()
