"""What a swarm is compared with, on the same rows, from the same initial weights, with the same training dice.

- alone: each peer trains on its own slices and never averages;
- always-average: after each slice, and as often again afterwards, a peer averages with another peer's weights drawn at
  random and keeps the result whatever it is worth;
- pooled: one network trained as often on the rows of all peers together, which nobody in a swarm could do.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from learnae.learn.averaging import average
from learnae.learn.batched_optimizers import settings_of
from learnae.learn.datasets.partition import PeerRows
from learnae.learn.datasets.sources import Dataset
from learnae.learn.jobs import Job, ScoreJob, TrainJob
from learnae.learn.model import Mlp, mlp
from learnae.learn.pool import Pool
from learnae.learn.serialization import load
from learnae.learn.weight_store import seed_of
from learnae.session.settings import Session

Dice = Callable[[int, int], int]  # peer index, visit -> seed of the order of rows


@dataclass(eq=False)
class Baselines:
    """``peers``: the rows of those who train."""

    pool: Pool
    table: Dataset
    session: Session
    peers: Sequence[PeerRows]
    block: bytes  # the initial weights
    dice: Dice
    tick: Callable[[str], None] = field(default=lambda what: None)

    def alone(self) -> list[Tensor]:
        """Final weights (T,), one a peer."""
        weights = [self._initial] * len(self.peers)
        for visit in range(self._visits):
            self.tick(f"alone: slice {visit + 1} of {self._visits}")
            weights = self._train(weights, visit)
        return weights

    def always_average(self) -> list[Tensor]:
        choose = random.Random(f"{self.session.seed} always-average")
        weights = [self._initial] * len(self.peers)
        for visit in range(self._visits):
            self.tick(f"always-average: slice {visit + 1} of {self._visits}")
            weights = _mix(self._train(weights, visit), choose)
        for _ in range(self._visits):
            weights = _mix(weights, choose)
        return weights

    def pooled(self) -> Tensor:
        """Final weights (T,) of the one network."""
        rows = torch.cat([peer.train for peer in self.peers])
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed_of(self.session.seed, "pooled")))
        slices, weights = torch.tensor_split(rows[order], self.session.work.slices), self._initial
        for visit in range(self._visits):
            self.tick(f"pooled: slice {visit + 1} of {self._visits}")
            weights = self.pool.submit(self._job(weights, slices[visit % len(slices)], -1, visit)).result().weights
        return weights

    def scored(self, weights: Sequence[Tensor], rows: Sequence[Tensor]) -> dict[str, float]:
        """Accuracy of one network a peer, or of one for all, on the rows (t,) of each: {mean, min, max}."""
        networks = weights if len(weights) == len(rows) else [weights[0]] * len(rows)
        jobs = [ScoreJob(self._network, own, self.table, test) for own, test in zip(networks, rows, strict=True)]
        tickets = [self.pool.submit(job) for job in jobs]
        found = [ticket.result().correct / len(job.rows) for ticket, job in zip(tickets, jobs, strict=True)]
        return {"mean": statistics.fmean(found), "min": min(found), "max": max(found)}

    @property
    def _network(self) -> Mlp:
        return mlp(self.session.model, *self.table.shape)

    @property
    def _initial(self) -> Tensor:
        return load(self._network, self.block).weights  # (T,)

    @property
    def _visits(self) -> int:
        return self.session.work.slices * self.session.work.passes

    def _train(self, weights: list[Tensor], visit: int) -> list[Tensor]:
        slices = self.session.work.slices
        jobs = []
        for index, (peer, own) in enumerate(zip(self.peers, weights, strict=True)):
            part = len(peer.train) // slices
            begin = visit % slices * part
            jobs.append(self._job(own, peer.train[begin : begin + part], index, visit))
        tickets = [self.pool.submit(job) for job in jobs]
        return [ticket.result().weights for ticket in tickets]

    def _job(self, weights: Tensor, rows: Tensor, peer: int, visit: int) -> Job:
        nothing = rows[:1]  # the score is of no interest
        settings = settings_of(self.session.model)
        dice = self.dice(peer, visit) if peer >= 0 else seed_of(self.session.seed, "pooled", visit)
        return TrainJob(self._network, weights, self.table, nothing, rows, settings, dice)


def _mix(weights: list[Tensor], choose: random.Random) -> list[Tensor]:
    """Each with the weights of one other, all at once."""
    count = len(weights)
    others = [(index + choose.randrange(1, count)) % count for index in range(count)]
    return [average(own, weights[other]) for own, other in zip(weights, others, strict=True)]
