"""Test accuracy: scores many models on rows that no peer holds.  Used by the commands, never by a peer."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from learnae.learn.batching import JobResult, Pool, ScoreJob
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.model import create_network
from learnae.learn.weight_store import WeightStore
from learnae.protocol.types import Cid, Score
from learnae.session.settings import Session


class Evaluator:
    """Scores models by CID."""

    def __init__(self, pool: Pool, dataset: Dataset, session: Session, blocks: Mapping[Cid, bytes]) -> None:
        self._pool, self._dataset = pool, dataset
        self._network = create_network(session.model, *dataset.shape)
        self._models = WeightStore(self._network, blocks, pool.models)

    def accuracy(self, models: Sequence[tuple[Cid, Tensor]]) -> list[Score]:
        """Score each model on its rows.  Raises PortError for a missing or invalid block."""
        return [measured.score for measured in self.measure(models)]

    def measure(self, models: Sequence[tuple[Cid, Tensor]]) -> list[JobResult]:
        """The same, with what failed in the metric."""
        weights = [self._models.get(cid).weights for cid, _ in models]
        jobs = [
            ScoreJob(self._network, own, self._dataset, rows) for own, (_, rows) in zip(weights, models, strict=True)
        ]
        futures = [self._pool.submit(job) for job in jobs]
        return [future.result() for future in futures]

    def accuracy_of_mean(self, models: Sequence[Cid], rows: Tensor) -> Score:
        """Score the mean of the models' weights.  Raises PortError for a missing or invalid block."""
        weights = torch.stack([self._models.get(cid).weights for cid in models]).mean(dim=0)
        return self._pool.submit(ScoreJob(self._network, weights, self._dataset, rows)).result().score
