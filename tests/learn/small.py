"""A small table that can be learnt, small networks and jobs on it.  What the tests of this tier share."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from learnae.learn.batched_optimizers import OptimizerSettings, optimizer_settings
from learnae.learn.batching import Job, JobResult, Pool, ScoreJob, TrainJob, run_jobs
from learnae.learn.compute import Compute
from learnae.learn.datasets.dataset import FEATURES, Dataset, PeerRows
from learnae.learn.datasets.partition import load_partitioned
from learnae.learn.model import create_network
from learnae.learn.network import Network
from learnae.learn.trainer import PoolTrainer
from learnae.learn.weight_store import initial_block
from learnae.messages.wire import cid_of
from learnae.protocol.settings import WorkSettings
from learnae.protocol.types import Cid, ModelRef, PeerId, Weights
from learnae.session.settings import DataSettings, ModelSettings, Session

SESSION = Session(
    peers=4,
    data=DataSettings(rows=120, validation_rows=40, judging_rows=30, test_rows=100),
    model=ModelSettings(hidden=(8, 6), batch=16),
    work=WorkSettings(slices=3),
)
CID = Cid("bsession")


def close(one: torch.Tensor, other: torch.Tensor, relative: float = 1e-4) -> bool:
    """Equal up to float32's rounding; torch.testing would do, but takes seconds to import."""
    return torch.allclose(one, other, rtol=relative, atol=1e-5)


def table(rows: int = 1000, seed: int = 0) -> Dataset:
    """The label is the sign of a noisy linear function of the features."""
    dice = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, FEATURES, generator=dice)
    score = features @ torch.randn(FEATURES, generator=dice) + torch.randn(rows, generator=dice)
    return Dataset(features, (score > 0).long(), (0.0,) * FEATURES, (1.0,) * FEATURES)


TABLE = table()


def network(*hidden: int) -> Network:
    return create_network(ModelSettings(hidden=hidden or (8, 6)))


def weights(net: Network, seed: int = 0) -> torch.Tensor:
    return net.random_weights(torch.Generator().manual_seed(seed))


def settings(**changes: object) -> OptimizerSettings:
    return replace(optimizer_settings(SESSION.model), **changes)  # type: ignore[arg-type]


def score_job(seed: int = 0, net: Network | None = None, rows: int = 50) -> ScoreJob:
    net = net or network()
    return ScoreJob(net, weights(net, seed), TABLE, torch.arange(seed, seed + rows))


def train_job(
    seed: int = 0, net: Network | None = None, rows: int = 40, how: OptimizerSettings | None = None
) -> TrainJob:
    """Trains on rows of its own and is scored on 50 others."""
    net = net or network()
    first = torch.arange(50 * (seed % 8), 50 * (seed % 8) + rows)
    return TrainJob(net, weights(net, seed), TABLE, torch.arange(500, 550), first, how or settings(), seed)


def compute(jobs: Sequence[Job]) -> list[JobResult]:
    """Jobs as one batch, without a pool."""
    return run_jobs(jobs, jobs[0].dataset, Compute())


class Swarm:
    """Trainers that share a pool and a dictionary of blocks, as in the simulator."""

    def __init__(self, session: Session = SESSION, pool: Pool | None = None, table: Dataset | None = None) -> None:
        self.pool = pool or Pool(threads=1)
        self.session = session
        self.table, self.split = load_partitioned(session, table or TABLE)
        block = initial_block(session, "seed", shape=self.table.shape)
        self.initial = cid_of(block)
        self.blocks: dict[Cid, bytes] = {self.initial: block}
        self.trainers = [self.trainer(i, rows) for i, rows in enumerate(self.split.peers)]

    def trainer(self, index: int, rows: PeerRows) -> PoolTrainer:
        return PoolTrainer(self.pool, self.table, rows, self.session, CID, name(index), "seed", self.blocks)

    def published(self, index: int, step: int = 1) -> ModelRef:
        """A model that this peer has trained and published."""
        made, _ = self.trainers[index].train(self.initial, 0, 0, step).result()
        return ref(index, made, step)


def name(index: int) -> PeerId:
    return PeerId(f"p{index:02}")


def ref(index: int, made: Weights, step: int = 1) -> ModelRef:
    return ModelRef(name(index), step, made)


def write(path: Path, **changes: object) -> Path:
    """A file like the shipped one, 50 rows; a change replaces an array, None leaves it out."""
    dice = np.random.default_rng(0)
    arrays: dict[str, object] = {
        "features": dice.normal(size=(50, 27)).astype(np.float16),
        "mean": np.arange(27, dtype=np.float32),
        "std": np.ones(27, np.float32),
        "mass": dice.choice([500, 750, 1000, 1250, 1500], 50).astype(np.int16),
        "label": dice.integers(0, 2, 50).astype(np.int8),
    }
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})  # type: ignore[arg-type]
    return path
