"""Baselines for a swarm: the same rows, the same initial weights and the same training seeds, without trading models.

- alone: each peer trains on its own slices and never averages;
- always-average: after each slice, and equally often afterwards, a peer averages with the weights of a random peer and
  keeps the result, whatever its accuracy;
- pooled: one network, trained equally often on the rows of all peers together, which no swarm could do.

Others combine models after each slice (``learn.aggregation``), the first two whatever these are worth:

- fedavg: everybody gets the mean of all models, weighted by the rows of their peers;
- krum, median: a peer gets Krum's choice, or the median of each weight, of its own and a few random peers' models;
- gauntlet: everybody gets the mean of all models, weighted by the loss of the common model that they were trained from
  minus their own, on the validation rows of a few random peers; a peer does not judge its own model.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from learnae.learn.aggregation import AGGREGATED, JUDGES, Aggregation, by_gain, weighted_mean
from learnae.learn.averaging import average
from learnae.learn.batched_optimizers import optimizer_settings
from learnae.learn.batching import SCORING_CHUNK, Pool, ScoreJob, TrainJob
from learnae.learn.datasets.dataset import Dataset, PeerRows
from learnae.learn.losses import loss
from learnae.learn.model import create_network
from learnae.learn.network import Network
from learnae.learn.serialization import decode_block
from learnae.learn.weight_store import derive_seed
from learnae.session.settings import Session

SeedOf = Callable[[int, int], int]  # peer index, number of slices trained before -> seed of the order of rows


@dataclass(eq=False)
class Baselines:
    """``peers``: the rows of the peers that train."""

    pool: Pool
    dataset: Dataset
    session: Session
    peers: Sequence[PeerRows]
    block: bytes  # the initial weights
    training_seed: SeedOf
    report_progress: Callable[[str], None] = field(default=lambda step: None)

    def alone(self) -> list[Tensor]:
        """Final weights (T,) of each peer."""
        weights = [self._initial] * len(self.peers)
        for visit in range(self._visits):
            self.report_progress(f"alone: slice {visit + 1} of {self._visits}")
            weights = self._train_all(weights, visit)
        return weights

    def always_average(self) -> list[Tensor]:
        """Final weights (T,) of each peer."""
        rng = random.Random(f"{self.session.seed} always-average")
        weights = [self._initial] * len(self.peers)
        for visit in range(self._visits):
            self.report_progress(f"always-average: slice {visit + 1} of {self._visits}")
            weights = _average_with_random_peer(self._train_all(weights, visit), rng)
        for _ in range(self._visits):
            weights = _average_with_random_peer(weights, rng)
        return weights

    def fedavg(self) -> list[Tensor]:
        """The final weights (T,), which all peers have."""
        rows = [len(peer.train) for peer in self.peers]
        return self._in_rounds("fedavg", lambda weights: [weighted_mean(torch.stack(weights), rows)] * len(weights))

    def robust(self, name: str, rule: Aggregation) -> list[Tensor]:
        """Final weights (T,) of each peer."""
        rng = random.Random(f"{self.session.seed} {name}")
        others = min(AGGREGATED, len(self.peers)) - 1

        def combine(weights: list[Tensor]) -> list[Tensor]:
            ranks = range(len(weights))
            chosen = [[own, *rng.sample([rank for rank in ranks if rank != own], others)] for own in ranks]
            return [rule(torch.stack([weights[rank] for rank in group])) for group in chosen]

        return self._in_rounds(name, combine)

    def gauntlet(self) -> list[Tensor]:
        """The final weights (T,), which all peers have."""
        rng = random.Random(f"{self.session.seed} gauntlet")
        common = self._initial

        def combine(trained: list[Tensor]) -> list[Tensor]:
            nonlocal common
            everybody = range(len(self.peers))
            judges = rng.sample(everybody, min(JUDGES, len(self.peers)))
            before = {judge: self._loss(common, judge) for judge in judges}
            gains = [
                [before[judge] - self._loss(model, judge) for judge in judges if judge != peer or len(judges) == 1]
                for peer, model in enumerate(trained)
            ]
            better = by_gain(torch.stack(trained), torch.tensor([*map(statistics.fmean, gains)], dtype=torch.float64))
            common = common if better is None else better
            return [common] * len(trained)

        return self._in_rounds("gauntlet", combine)

    def pooled(self) -> Tensor:
        """Final weights (T,) of the one network."""
        seed = self.session.seed
        rows = torch.cat([peer.train for peer in self.peers])
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(derive_seed(seed, "pooled")))
        slices = torch.tensor_split(rows[order], self.session.work.slices)
        weights = self._initial
        for visit in range(self._visits):
            self.report_progress(f"pooled: slice {visit + 1} of {self._visits}")
            job = self._train_job(weights, slices[visit % len(slices)], derive_seed(seed, "pooled", visit))
            weights = self.pool.submit(job).result().weights
        return weights

    def accuracy(self, weights: Sequence[Tensor], rows: Sequence[Tensor]) -> dict[str, float]:
        """Mean, min and max accuracy on the rows (t,) of each peer: of one network per peer, or of one for all."""
        networks = weights if len(weights) == len(rows) else [weights[0]] * len(rows)
        jobs = [ScoreJob(self._network, own, self.dataset, test) for own, test in zip(networks, rows, strict=True)]
        futures = [self.pool.submit(job) for job in jobs]
        accuracies = [future.result().score.accuracy for future in futures]
        return {"mean": statistics.fmean(accuracies), "min": min(accuracies), "max": max(accuracies)}

    @property
    def _network(self) -> Network:
        return create_network(self.session.model, *self.dataset.shape)

    @property
    def _initial(self) -> Tensor:
        return decode_block(self._network, self.block).weights  # (T,)

    @property
    def _visits(self) -> int:
        return self.session.work.slices * self.session.work.passes

    def _in_rounds(self, name: str, combine: Callable[[list[Tensor]], list[Tensor]]) -> list[Tensor]:
        weights = [self._initial] * len(self.peers)
        for visit in range(self._visits):
            self.report_progress(f"{name}: slice {visit + 1} of {self._visits}")
            weights = combine(self._train_all(weights, visit))
        return weights

    def _loss(self, weights: Tensor, peer: int) -> float:
        """The mean loss of a model on the validation rows of a peer."""
        tensors, outputs, labels = self._network.stacked(weights.unsqueeze(0)), list[Tensor](), list[Tensor]()
        with torch.no_grad():
            for rows in torch.split(self.peers[peer].validation.unsqueeze(0), SCORING_CHUNK, dim=1):
                x, y = self.dataset.select(rows)
                outputs.append(self._network.logits(tensors, x))
                labels.append(y)
        kept = torch.cat(outputs, dim=1).requires_grad_()  # a loss of the user's must depend on its outputs
        return loss(self.session.model.loss, kept, torch.cat(labels, dim=1)).item()

    def _train_all(self, weights: list[Tensor], visit: int) -> list[Tensor]:
        slices = self.session.work.slices
        jobs = []
        for index, (peer, own) in enumerate(zip(self.peers, weights, strict=True)):
            size = len(peer.train) // slices
            start = visit % slices * size
            jobs.append(self._train_job(own, peer.train[start : start + size], self.training_seed(index, visit)))
        futures = [self.pool.submit(job) for job in jobs]
        return [future.result().weights for future in futures]

    def _train_job(self, weights: Tensor, rows: Tensor, seed: int) -> TrainJob:
        unused = rows[:1]  # the score of a training job is not needed here
        settings = optimizer_settings(self.session.model)
        return TrainJob(self._network, weights, self.dataset, unused, rows, settings, seed)


def _average_with_random_peer(weights: list[Tensor], rng: random.Random) -> list[Tensor]:
    """Average the weights of each peer with those of one other, all at once."""
    count = len(weights)
    if count == 1:
        return weights
    others = [(index + rng.randrange(1, count)) % count for index in range(count)]
    return [average(own, weights[other]) for own, other in zip(weights, others, strict=True)]
