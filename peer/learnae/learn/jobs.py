"""What the pool computes: jobs, and one batch of jobs of equal shape as stacked arithmetic.

Shapes: P jobs, n training rows and v scored rows each, B rows a step, F features, T parameters.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from learnae.learn.batched_optimizers import OptimizerSettings, optimizer
from learnae.learn.datasets.sources import Dataset
from learnae.learn.model import Mlp, correct, forward, loss

SCORED_AT_ONCE = 512  # rows of each job: bounds the memory and stays near the cache


@dataclass(frozen=True, eq=False)
class ScoreJob:
    """Count the rows that these weights classify correctly."""

    network: Mlp
    weights: Tensor  # (T,) float32, never changed
    table: Dataset
    rows: Tensor  # (v,) int64

    @property
    def shape(self) -> Hashable:
        """Jobs of equal shape can run together."""
        return (self.network, self.weights.shape, id(self.table), len(self.rows))


@dataclass(frozen=True, eq=False)
class TrainJob(ScoreJob):
    """Train a copy of the weights with a fresh optimizer, then score it."""

    training: Tensor  # (n,) int64
    settings: OptimizerSettings
    seed: int  # of the order of rows, drawn anew each epoch

    @property
    def shape(self) -> Hashable:
        return (super().shape, len(self.training), self.settings)


Job = ScoreJob | TrainJob


@dataclass(frozen=True, eq=False)
class JobResult:
    weights: Tensor  # (T,): the job's own, or what training made of them
    correct: int  # of the job's rows


def run(jobs: Sequence[Job]) -> list[JobResult]:
    """Run jobs of equal shape as one computation.  Raises what torch raises if one of them is unsound."""
    weights = [job.weights for job in jobs]
    training = [job for job in jobs if isinstance(job, TrainJob)]
    if training:
        weights = [row.clone() for row in _train(training, torch.stack(weights))]  # clones: a view keeps all rows alive
    counts = _score(jobs, torch.stack(weights))
    return [JobResult(made, count) for made, count in zip(weights, counts, strict=True)]


def _train(jobs: Sequence[TrainJob], weights: Tensor) -> Tensor:
    first, network = jobs[0], jobs[0].network
    layers = network.layers(weights)
    parameters = [tensor.requires_grad_() for layer in layers for tensor in layer]
    updates = optimizer(parameters, first.settings)
    for x, y in _batches(jobs):
        gradients = torch.autograd.grad(loss(forward(layers, x), y), parameters)
        with torch.no_grad():
            updates.step(gradients)
    return network.flat(layers).detach()


def _batches(jobs: Sequence[TrainJob]) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows (P, B, F) and labels (P, B) of each step; the last of an epoch takes what is left."""
    table, settings = jobs[0].table, jobs[0].settings
    dice = [torch.Generator().manual_seed(job.seed) for job in jobs]
    for _ in range(settings.epochs):
        order = [
            job.training[torch.randperm(len(job.training), generator=die)] for job, die in zip(jobs, dice, strict=True)
        ]
        for rows in torch.split(torch.stack(order), settings.batch, dim=1):
            yield gather(table, rows)


@torch.inference_mode()
def _score(jobs: Sequence[Job], weights: Tensor) -> list[int]:
    table, layers = jobs[0].table, jobs[0].network.layers(weights)
    shared = all(job.rows is jobs[0].rows for job in jobs)
    rows = jobs[0].rows.unsqueeze(0) if shared else torch.stack([job.rows for job in jobs])
    counts = torch.zeros(len(jobs), dtype=torch.int64)
    for part in torch.split(rows, SCORED_AT_ONCE, dim=1):
        x, y = gather(table, part)
        counts += correct(forward(layers, x.expand(len(jobs), -1, -1)), y)
    return [int(count) for count in counts]


def gather(table: Dataset, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Features (P, B, F) and labels (P, B) of rows (P, B)."""
    flat = rows.reshape(-1)
    return table.features.index_select(0, flat).float().view(*rows.shape, -1), table.labels.index_select(0, flat).view(
        rows.shape
    )
