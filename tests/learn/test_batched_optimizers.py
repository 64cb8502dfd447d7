"""The optimizers are torch's, peer by peer."""

from collections.abc import Callable

import pytest
import torch
from tests.learn.small import TABLE, close, compute, settings, train_job
from tests.learn.test_model import as_torch
from torch.nn.functional import cross_entropy

from learnae.learn.batched_optimizers import OptimizerSettings
from learnae.learn.batching import TrainJob

Make = Callable[[list[torch.Tensor], OptimizerSettings], torch.optim.Optimizer]


def by_torch(job: TrainJob, make: Make) -> torch.Tensor:
    """Train one job's network with torch's own modules, optimizer and a plain loop over the same order of rows."""
    module = as_torch(job.network, job.weights)
    optimizer = make(list(module.parameters()), job.settings)
    dice = torch.Generator().manual_seed(job.seed)
    for _ in range(job.settings.epochs):
        order = job.training[torch.randperm(len(job.training), generator=dice)]
        for rows in torch.split(order, job.settings.batch):
            optimizer.zero_grad()
            cross_entropy(module(TABLE.features[rows]), TABLE.labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    found = module.state_dict()
    return torch.cat([found[name].flatten() for name in job.network.shapes])


def sgd(weights: list[torch.Tensor], how: OptimizerSettings) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=how.learning_rate, momentum=how.momentum)


def adam(weights: list[torch.Tensor], how: OptimizerSettings) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=how.learning_rate)


@pytest.mark.parametrize(
    ("how", "make"),
    [
        (settings(epochs=3), sgd),
        (settings(epochs=3, momentum=0.0), sgd),
        (settings(epochs=3, optimizer="adam", learning_rate=0.01), adam),
    ],
)
def test_three_stacked_peers_train_as_with_torchs_own_optimizer(how: OptimizerSettings, make: Make) -> None:
    jobs = [train_job(seed, rows=43, how=how) for seed in range(3)]  # 43 = 2 x 16 + 11: the last step is short
    for job, result in zip(jobs, compute(jobs), strict=True):
        assert close(result.weights, by_torch(job, make))


def test_training_learns() -> None:
    job = train_job(rows=400, how=settings(epochs=10))
    trained = compute([TrainJob(**(vars(job) | {"training": torch.arange(400)}))])[0]
    untrained = compute([TrainJob(**(vars(job) | {"settings": settings(epochs=0)}))])[0]
    assert trained.score.correct > 40 > untrained.score.correct
