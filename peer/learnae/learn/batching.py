"""Peers that share a process share one pool: waiting jobs of equal shape run as one batched computation.

Jobs wait until a result is requested; then every waiting job of the same shape runs.  In virtual time, all jobs that
are outstanding at a moment run together.  In a live swarm, the first waiting thread does the work of all and the others
find their results ready.  A batch is the work of one thread and batches run in parallel; torch is limited to one thread
per operation, because more of them cost more than they save at this size.

The same jobs, submitted in the same order to a pool with the same settings, give the same bits on the same device.
Tensors of jobs and results are on the host; ``compute.py`` says where the work is done.

Shapes: P jobs, n training rows and v scored rows per job, B rows per step, F features, T parameters.
"""

import threading
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from learnae.lazy_future import LazyFuture
from learnae.learn.batched_optimizers import OptimizerSettings
from learnae.learn.cache import ModelCache
from learnae.learn.compute import Compute
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.metrics import ACCURACY, SCALE, measured
from learnae.learn.model import count_correct
from learnae.learn.network import Network
from learnae.plugins import PluginError
from learnae.protocol.types import Score

CACHE_BYTES = 64 << 20  # of decoded weights, by default
MAX_OUTPUTS = 4_000_000  # rows of all jobs together whose logits are kept for a metric that needs them at once
SELECTED_NUMBERS = 1 << 18  # features that training selects at once: fewer calls, and they stay in the CPU cache
SCORING_CHUNK = 512  # rows of each job: bounds the memory and stays close to the CPU cache


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """Score these weights by the metric of the dataset."""

    network: Network
    weights: Tensor  # (T,) float32, never changed
    dataset: Dataset
    rows: Tensor  # (v,) int64

    @property
    def shape(self) -> Hashable:
        """Jobs of equal shape can run together."""
        return (type(self), self.network, self.weights.shape, id(self.dataset), len(self.rows))


@dataclass(frozen=True, eq=False)
class TrainJob(ScoreJob):
    """Train a copy of the weights with a fresh optimizer, then score it."""

    training: Tensor  # (n,) int64
    settings: OptimizerSettings
    seed: int  # of the order of rows, which changes every epoch
    source: Dataset | None = None  # that ``training`` indexes; None: ``dataset``

    @property
    def shape(self) -> Hashable:
        return (super().shape, len(self.training), self.settings)


Job = ScoreJob | TrainJob


@dataclass(frozen=True, eq=False)
class JobResult:
    weights: Tensor  # (T,): those of the job, or the trained copy
    score: Score  # on the job's rows
    failure: PluginError | None = None  # of the metric, which then counts as 0


class JobFuture(LazyFuture[JobResult]):
    """The result of a submitted job."""

    def __init__(self, pool: "Pool", job: Job) -> None:
        super().__init__(pool.run)
        self.job = job


class Pool:
    """Runs jobs in batches.

    ``batch``: max jobs per computation (0: no limit, 1: one by one).  ``models``: decoded weights, cached for everybody
    who shares the pool, up to ``cache_bytes``.
    """

    def __init__(
        self, threads: int, batch: int = 0, cache_bytes: int = CACHE_BYTES, compute: Compute | None = None
    ) -> None:
        self.threads, self.batch, self.models = threads, batch, ModelCache(cache_bytes)
        self.compute = replace(compute or Compute(), compiled=threads > 1)
        self._tables: dict[int, tuple[Dataset, Dataset]] = {}  # by id: a dataset, and the same on the device
        self.batch_sizes: list[int] = []  # of the last run
        self._waiting: list[JobFuture] = []
        self._queue_lock, self._run_lock = threading.Lock(), threading.Lock()
        self._executor = ThreadPoolExecutor(threads, "pool")
        torch.set_num_threads(1)

    def submit(self, job: Job) -> JobFuture:
        """Never blocks on running jobs."""
        future = JobFuture(self, job)
        with self._queue_lock:
            self._waiting.append(future)
        return future

    def run(self, wanted: JobFuture) -> None:
        """Run every waiting job of one shape.  Other shapes keep waiting, so that scoring does not split training."""
        with self._run_lock:
            if wanted.done():
                return  # another thread has run it
            shape = wanted.job.shape
            with self._queue_lock:
                group = [future for future in self._waiting if future.job.shape == shape]
                self._waiting = [future for future in self._waiting if future.job.shape != shape]
            if wanted not in group:
                raise RuntimeError("the pool was interrupted before this job had run")
            batches = self._split(group)
            self.batch_sizes = [len(batch) for batch in batches]
            self._run_batches(batches, self._on_device(wanted.job.dataset))

    def _split(self, group: list[JobFuture]) -> list[list[JobFuture]]:
        """Even batches, a multiple of the number of threads, none above what the network allows."""
        count = -(-len(group) // group[0].job.network.max_jobs)
        count = min(-(-count // self.threads) * self.threads, len(group))
        if self.batch:
            count = max(count, -(-len(group) // self.batch))
        bounds = [i * len(group) // count for i in range(count + 1)]
        return [group[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]

    def _on_device(self, dataset: Dataset) -> Dataset:
        if id(dataset) not in self._tables:
            send = self.compute.send
            moved = replace(dataset, features=send(dataset.features), labels=send(dataset.labels))
            self._tables[id(dataset)] = dataset, moved
        return self._tables[id(dataset)][1]

    def _run_batches(self, batches: Sequence[list[JobFuture]], table: Dataset) -> None:
        run = partial(_run_batch, table=table, on=self.compute)
        if self.threads == 1 or len(batches) <= 1:
            for batch in batches:
                run(batch)
        else:
            list(self._executor.map(run, batches))


def _run_batch(batch: Sequence[JobFuture], table: Dataset, on: Compute) -> None:
    """Run a batch; if it raises, run its jobs one by one, so that only the faulty job fails."""
    try:
        results = run_jobs([future.job for future in batch], table, on)
    except (IndexError, RuntimeError, TypeError, ValueError, PluginError) as error:
        if len(batch) == 1:
            batch[0].set_exception(error)
            return
        for future in batch:
            _run_batch([future], table, on)
        return
    for future, result in zip(batch, results, strict=True):
        future.set_result(result)


def run_jobs(jobs: Sequence[Job], table: Dataset, on: Compute) -> list[JobResult]:
    """Run jobs of equal shape as one computation.  Raises what torch raises if one of them is faulty.

    ``table``: the dataset of the jobs, on the device.
    """
    weights = [job.weights for job in jobs]
    stacked = on.send(torch.stack(weights))
    training = [job for job in jobs if isinstance(job, TrainJob)]
    if training:
        stacked = _train(training, stacked, table, on)
        weights = [row.clone() for row in on.fetch(stacked)]  # clones: a view would keep the whole batch alive
    scores = _score(jobs, stacked, table, on)
    return [JobResult(own, *score) for own, score in zip(weights, scores, strict=True)]


@torch.no_grad()
def _train(jobs: Sequence[TrainJob], weights: Tensor, table: Dataset, on: Compute) -> Tensor:
    network = jobs[0].network
    model = on.in_training(network, weights, jobs[0].settings)
    with network.randomness(jobs[0].seed):
        for x, y in _training_rows(jobs, table, on):
            model.train(x, y)
    return model.flat()


def _training_rows(jobs: Sequence[TrainJob], table: Dataset, on: Compute) -> Iterator[tuple[Tensor, Tensor]]:
    """Features (P, B, F) and labels (P, B) of some steps, on the device; the last step of an epoch may be smaller.

    The order of rows is drawn on the host, so that it is the same for all devices.
    """
    sources, settings = [job.source or job.dataset for job in jobs], jobs[0].settings
    shared = all(source is jobs[0].dataset for source in sources)
    generators = [torch.Generator().manual_seed(job.seed) for job in jobs]
    steps = max(1, SELECTED_NUMBERS // (len(jobs) * settings.batch * table.shape.features))  # selected at once
    for _ in range(settings.epochs):
        order = [
            job.training[torch.randperm(len(job.training), generator=generator)]
            for job, generator in zip(jobs, generators, strict=True)
        ]
        for rows in torch.split(torch.stack(order), steps * settings.batch, dim=1):
            if shared:
                yield table.select(on.send(rows))
            else:
                parts = [source.select(own.unsqueeze(0)) for source, own in zip(sources, rows, strict=True)]
                yield on.send(torch.cat([x for x, _ in parts])), on.send(torch.cat([y for _, y in parts]))


@torch.inference_mode()
def _score(jobs: Sequence[Job], weights: Tensor, table: Dataset, on: Compute) -> list[tuple[Score, PluginError | None]]:
    if table.metric != ACCURACY and len(jobs) > 1 and len(jobs) * len(jobs[0].rows) > MAX_OUTPUTS:
        return [_score([job], own, table, on)[0] for job, own in zip(jobs, torch.split(weights, 1), strict=True)]
    network = jobs[0].network
    tensors = network.stacked(weights)
    shared = all(job.rows is jobs[0].rows for job in jobs)
    rows = jobs[0].rows.unsqueeze(0) if shared else torch.stack([job.rows for job in jobs])
    counts = on.send(torch.zeros(len(jobs), dtype=torch.int64))
    found = []
    for chunk in torch.split(on.send(rows), SCORING_CHUNK, dim=1):
        x, y = table.select(chunk)
        logits = on.logits(network, tensors, x.expand(len(jobs), -1, -1))
        if table.metric == ACCURACY:
            counts += count_correct(logits, y)
        else:
            found.append((on.fetch(y), on.fetch(logits)))
    if table.metric == ACCURACY:
        return [(Score(count, rows.shape[1]), None) for count in on.fetch(counts).tolist()]
    labels, outputs = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    return [_measured(table, *each) for each in zip(labels.expand(len(jobs), -1), outputs, strict=True)]


def _measured(table: Dataset, labels: Tensor, outputs: Tensor) -> tuple[Score, PluginError | None]:
    try:
        return measured(table.metric, labels, outputs, table.label.seen), None
    except PluginError as failure:
        return Score(0, SCALE), failure
