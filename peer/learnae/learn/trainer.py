"""``ports.Trainer`` for one peer: its rows and the session's network; weights are read and written as blocks.

Functional: a result depends only on the arguments, the seed and the peer's rows.  Weights are the only state.
"""

from collections.abc import Callable, MutableMapping
from concurrent.futures import Future

import torch
from torch import Tensor

from learnae.errors import DriverError, PortError, Reason
from learnae.lazy_future import failed, lazy
from learnae.learn.averaging import average
from learnae.learn.batched_optimizers import optimizer_settings
from learnae.learn.batching import Job, Pool, ScoreJob, TrainJob
from learnae.learn.cache import BlockMetadata, DecodedModel
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.partition import PeerRows
from learnae.learn.model import create_network
from learnae.learn.serialization import encode_block, weights_digest
from learnae.learn.weight_store import WeightStore, derive_seed
from learnae.messages.wire import cid_of
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Cid, ModelRef, PeerId, Score, Weights
from learnae.session.settings import Session

RANDOM_STD = 5.0  # of the weights in a RANDOM forgery
NOISE = 1e-3  # of a PERTURBED copy, relative to each weight

ScoredWeights = tuple[Weights, Score]


class PoolTrainer:
    """Trains, averages, scores and forges for one peer; the pool does the arithmetic.

    ``blocks`` holds the models that the peer has fetched or created; results are added under their CID.
    """

    def __init__(
        self,
        pool: Pool,
        dataset: Dataset,
        rows: PeerRows,
        session: Session,
        session_cid: Cid,
        peer: PeerId,
        seed: str,
        blocks: MutableMapping[Cid, bytes],
    ) -> None:
        self._pool, self._dataset, self._rows, self._blocks = pool, dataset, rows, blocks
        self._session, self._session_cid, self._peer, self._seed = session, session_cid, peer, seed
        self._network, self._settings = create_network(session.model, *dataset.shape), optimizer_settings(session.model)
        self._models = WeightStore(self._network, blocks, pool.models)

    def score(self, cid: Cid, model: ModelRef | None) -> Future[ScoredWeights]:
        """Score a fetched model; without ``model``, the initial weights, which are never announced."""
        try:
            decoded = self._models.get(cid) if model is None else self._get_announced(cid, model)
        except PortError as error:
            return failed(error)
        return self._submit(self._score_job(decoded.weights), lambda _: Weights(cid, decoded.digest))

    def train(self, base: Cid, slice: int, visit: int, step: int) -> Future[ScoredWeights]:
        """Train on one of ``work.slices`` equal parts; a remainder is left out.  DriverError: no such slice."""
        rows, seed = self._slice(slice), derive_seed(self._seed, self._peer, visit)
        try:
            weights = self._models.get(base).weights
        except PortError as error:
            return failed(error)
        job = TrainJob(self._network, weights, self._dataset, self._rows.validation, rows, self._settings, seed)
        return self._submit(job, lambda trained: self._store(trained, step))

    def average(self, base: Cid, remote: ModelRef, step: int) -> Future[ScoredWeights]:
        try:
            own, other = self._models.get(base), self._get_announced(remote.weights.cid, remote)
        except PortError as error:
            return failed(error)
        job = self._score_job(average(own.weights, other.weights))
        return self._submit(job, lambda averaged: self._store(averaged, step))

    def forge(self, forgery: Forgery, source: ModelRef | None, step: int) -> Future[Weights]:
        """Create the model that a cheating peer publishes.  DriverError: COPY or PERTURBED without a source."""
        future = Future[Weights]()
        try:
            future.set_result(self._store(self._forged_weights(forgery, source, step), step))
        except PortError as error:
            future.set_exception(error)
        return future

    def _forged_weights(self, forgery: Forgery, source: ModelRef | None, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self._seed, self._peer, "forgery", step))
        noise = torch.randn(self._network.size, generator=generator)
        if forgery is Forgery.RANDOM:
            return noise * RANDOM_STD
        if source is None:
            raise DriverError(f"a {forgery} forgery needs a source")
        weights = self._get_announced(source.weights.cid, source).weights
        return weights if forgery is Forgery.COPY else weights * (1 + NOISE * noise)

    def _get_announced(self, cid: Cid, model: ModelRef) -> DecodedModel:
        return self._models.get_announced(cid, self._session_cid, model)

    def _slice(self, index: int) -> Tensor:
        slices = self._session.work.slices
        size = len(self._rows.train) // slices
        if size == 0 or not 0 <= index < slices:
            raise DriverError(f"{self._peer} has no training rows in slice {index}")
        return self._rows.train[index * size : (index + 1) * size]

    def _score_job(self, weights: Tensor) -> ScoreJob:
        return ScoreJob(self._network, weights, self._dataset, self._rows.validation)

    def _submit(self, job: Job, name: Callable[[Tensor], Weights]) -> Future[ScoredWeights]:
        """``name`` turns the weights of the result into a stored model."""
        running = self._pool.submit(job)

        def finish() -> ScoredWeights:
            result = running.result()
            return name(result.weights), Score(result.correct, len(job.rows))

        return lazy(finish)

    def _store(self, weights: Tensor, step: int) -> Weights:
        """Store new weights as a block created by this peer.  Raises PortError: NOT_FINITE."""
        if not torch.isfinite(weights).all():
            raise PortError(Reason.NOT_FINITE, "training or averaging diverged")
        metadata = BlockMetadata(self._session_cid, self._peer, step)
        block = encode_block(self._network, weights, metadata)
        cid = cid_of(block)
        model = DecodedModel(weights, weights_digest(weights), metadata)
        self._blocks[cid] = block
        self._pool.models.put(cid, model)
        return Weights(cid, model.digest)
