"""``ports.Trainer`` for one peer: its rows, the session's network, and weights that come and go as blocks.

Functional: a result depends on the arguments, the seed and the peer's rows alone; weights are all the state there is.
"""

from collections.abc import Callable, MutableMapping

import torch
from torch import Tensor

from learnae.errors import DriverError, PortError, Reason
from learnae.learn.averaging import average
from learnae.learn.batched_optimizers import settings_of
from learnae.learn.cache import BlockMetadata, Decoded
from learnae.learn.datasets.partition import PeerRows
from learnae.learn.datasets.sources import Dataset
from learnae.learn.jobs import Job, ScoreJob, TrainJob
from learnae.learn.model import mlp
from learnae.learn.pending import AnsweredJob, RefusedJob, TicketResult
from learnae.learn.pool import Pool
from learnae.learn.serialization import digest, dump
from learnae.learn.weight_store import WeightStore, seed_of
from learnae.messages.wire import cid_of
from learnae.ports import Pending
from learnae.protocol.types import Cid, Forgery, ModelRef, PeerId, Score, Weights
from learnae.session.settings import Session

POISON = 5.0  # standard deviation of random weights
NOISE = 1e-3  # of a perturbed copy, relative to each weight

Scored = tuple[Weights, Score]


class PoolTrainer:
    """Trains, averages, scores and forges for one peer; the arithmetic is the pool's.

    ``blocks`` holds what the peer has fetched or made; results are put into it under their CID.
    """

    def __init__(
        self,
        pool: Pool,
        table: Dataset,
        rows: PeerRows,
        session: Session,
        session_cid: Cid,
        peer: PeerId,
        seed: str,
        blocks: MutableMapping[Cid, bytes],
    ) -> None:
        self._pool, self._table, self._rows, self._blocks = pool, table, rows, blocks
        self._session, self._session_cid, self._peer, self._seed = session, session_cid, peer, seed
        self._network, self._settings = mlp(session.model, *table.shape), settings_of(session.model)
        self._models = WeightStore(self._network, blocks, pool.models)

    def score(self, cid: Cid, model: ModelRef | None) -> Pending[Scored]:
        """Score a fetched model as it is; None: initial weights, which nobody announced."""
        try:
            found = self._models.get(cid) if model is None else self._announced(cid, model)
        except PortError as error:
            return RefusedJob(error)
        return self._submit(self._scoring(found.weights), lambda _: Weights(cid, found.digest))

    def train(self, base: Cid, slice: int, visit: int, step: int) -> Pending[Scored]:
        """Train on one of ``work.slices`` equal parts (a remainder is left out).  DriverError: no such slice."""
        rows, dice = self._slice(slice), seed_of(self._seed, self._peer, visit)
        try:
            weights = self._models.get(base).weights
        except PortError as error:
            return RefusedJob(error)
        job = TrainJob(self._network, weights, self._table, self._rows.validation, rows, self._settings, dice)
        return self._submit(job, lambda new: self._made(new, step))

    def average(self, base: Cid, remote: ModelRef, step: int) -> Pending[Scored]:
        try:
            own, other = self._models.get(base), self._announced(remote.weights.cid, remote)
        except PortError as error:
            return RefusedJob(error)
        job = self._scoring(average(own.weights, other.weights))
        return self._submit(job, lambda new: self._made(new, step))

    def forge(self, forgery: Forgery, source: ModelRef | None, step: int) -> Pending[Weights]:
        """What a cheat publishes.  RANDOM ignores the source.  DriverError: COPY or PERTURBED without one."""
        try:
            return AnsweredJob(self._made(self._forged(forgery, source, step), step))
        except PortError as error:
            return RefusedJob(error)

    def _forged(self, forgery: Forgery, source: ModelRef | None, step: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed_of(self._seed, self._peer, "forgery", step))
        noise = torch.randn(self._network.size, generator=dice)
        if forgery is Forgery.RANDOM:
            return noise * POISON
        if source is None:
            raise DriverError(f"a {forgery} forgery needs a source")
        tensors = self._announced(source.weights.cid, source).weights
        return tensors if forgery is Forgery.COPY else tensors * (1 + NOISE * noise)

    def _announced(self, cid: Cid, model: ModelRef) -> Decoded:
        return self._models.announced(cid, self._session_cid, model)

    def _slice(self, index: int) -> Tensor:
        slices = self._session.work.slices
        part = len(self._rows.train) // slices
        if part == 0 or not 0 <= index < slices:
            raise DriverError(f"{self._peer} has no training rows in slice {index}")
        return self._rows.train[index * part : (index + 1) * part]

    def _scoring(self, weights: Tensor) -> Job:
        return ScoreJob(self._network, weights, self._table, self._rows.validation)

    def _submit(self, job: Job, name: Callable[[Tensor], Weights]) -> Pending[Scored]:
        total = len(job.rows)
        return TicketResult(self._pool.submit(job), lambda done: (name(done.weights), Score(done.correct, total)))

    def _made(self, weights: Tensor, step: int) -> Weights:
        """Store new weights as a block of ours.  Raises PortError: NOT_FINITE."""
        if not torch.isfinite(weights).all():
            raise PortError(Reason.NOT_FINITE, "training or averaging diverged")
        stamp = BlockMetadata(self._session_cid, self._peer, step)
        block = dump(self._network, weights, stamp)
        cid = cid_of(block)
        model = Decoded(weights, digest(weights), stamp)
        self._blocks[cid] = block
        self._pool.models.put(cid, model)
        return Weights(cid, model.digest)
