"""``ports.Trainer`` for one peer: its rows and the session's network; weights are read and written as blocks.

Functional: a result depends only on the arguments, the seed and the peer's rows.  Weights are the only state.
"""

from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from contextlib import suppress
from fractions import Fraction
from functools import cached_property
from typing import assert_never

import torch
from torch import Tensor

from learnae.errors import DriverError, PortError, Reason
from learnae.lazy_future import failed, lazy
from learnae.learn.averaging import average
from learnae.learn.batched_optimizers import optimizer_settings
from learnae.learn.batching import Job, JobFuture, JobResult, Pool, ScoreJob, TrainJob
from learnae.learn.cache import BlockMetadata, DecodedModel
from learnae.learn.datasets.dataset import Dataset, PeerRows
from learnae.learn.model import create_network
from learnae.learn.row_blocks import Keys, ReceivedRows, decode_rows, encode_rows, require_new, row_keys
from learnae.learn.serialization import all_finite, encode_block, weights_digest
from learnae.learn.similarity import Similarity
from learnae.learn.weight_store import WeightStore, derive_seed
from learnae.messages.wire import cid_of
from learnae.plugins import PluginError
from learnae.ports import ScoredDespite, TooSimilar
from learnae.protocol.averaging import MEAN, AveragingView, Mix, averaging_rule, is_mix
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
        self._similar = Similarity(self._network, self._models, blocks, dataset, rows.validation)
        self._forbidden = 2 if session.defence.similar is None else Fraction(session.defence.similar)
        self._mean = session.averaging.is_mean

    def score(self, cid: Cid, model: ModelRef | None, earlier: tuple[Cid, ...] = ()) -> Future[ScoredWeights]:
        """Score a fetched model; without ``model``, the initial weights, which are never announced."""
        try:
            decoded = self._models.get(cid) if model is None else self._get_announced(cid, model, earlier)
        except (PortError, PluginError) as error:
            return failed(error)
        return self._submit(self._score_job(decoded.weights), lambda _: Weights(cid, decoded.digest))

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[ScoredWeights]:
        """Train on one of ``work.slices`` equal parts; a remainder is left out.  DriverError: no such slice."""
        seed = derive_seed(self._seed, self._peer, visit)
        try:
            source = self._dataset if rows is None else self._received(rows, earlier).dataset
            training = self._slice(slice) if rows is None else torch.arange(len(source))
            weights = self._models.get(base).weights
        except PortError as error:
            return failed(error)
        validation = self._rows.validation
        job = TrainJob(self._network, weights, self._dataset, validation, training, self._settings, seed, source)
        return self._submit(job, lambda trained: self._store(trained, step))

    def pack(self, slice: int, flips: float) -> Future[Cid]:
        future = Future[Cid]()
        features, labels = (part[0] for part in self._dataset.select(self._slice(slice).unsqueeze(0)))
        try:
            block = encode_rows(features, self._flipped(labels, flips, slice))
        except PortError as error:
            return failed(error)
        cid = cid_of(block)
        self._blocks[cid] = block
        future.set_result(cid)
        return future

    def average(self, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()) -> Future[ScoredWeights]:
        try:
            own, other = self._models.get(base), self._get_announced(remote.weights.cid, remote, earlier)
        except (PortError, PluginError) as error:
            return failed(error)
        if self._mean:
            job = self._score_job(average(own.weights, other.weights))
            return self._submit(job, lambda averaged: self._store(averaged, step))
        return lazy(lambda: self._best_mix(own, other, step))

    def forge(self, forgery: Forgery, source: ModelRef | None, step: int, other: Cid | None = None) -> Future[Weights]:
        """Create the model that a cheating peer publishes.  DriverError: a model that it is made of is not named."""
        try:
            candidates = self._forged_weights(forgery, source, step, other)
        except PortError as error:
            return failed(error)
        jobs = self._scoring(candidates[1:] and candidates)

        def finish() -> Weights:
            scores = [job.result().score.correct for job in jobs]
            return self._store(candidates[scores.index(max(scores))] if scores else candidates[0], step)

        return lazy(finish)

    def _received(self, cid: Cid, earlier: tuple[Cid, ...]) -> ReceivedRows:
        """A received block that this peer may train on.  Raises PortError."""
        if missing := [block for block in (cid, *earlier) if block not in self._blocks]:
            raise PortError(Reason.NOT_FOUND, missing[0])
        decoded = self._decode_rows(cid)
        require_new(decoded, [self._own_keys, *self._keys(earlier)])
        return decoded

    def _decode_rows(self, cid: Cid) -> ReceivedRows:
        return decode_rows(self._blocks[cid], *self._dataset.shape[:2])

    def _keys(self, cids: tuple[Cid, ...]) -> list[Keys]:
        """Of those of these blocks that can be read: what was refused is known to nobody."""
        keys = []
        for cid in cids:
            with suppress(PortError):
                keys.append(self._decode_rows(cid).keys)
        return keys

    @cached_property
    def _own_keys(self) -> Keys:
        return row_keys(self._dataset.features[self._rows.train])

    def _flipped(self, labels: Tensor, share: float, slice: int) -> Tensor:
        """Labels of which a share is wrong."""
        generator = torch.Generator().manual_seed(derive_seed(self._seed, self._peer, "flips", slice))
        chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
        shift = torch.randint(1, max(2, self._dataset.classes), (len(chosen),), generator=generator)
        wrong = labels.clone()
        wrong[chosen] = (labels[chosen] + shift) % self._dataset.classes
        return wrong

    def _forged_weights(self, forgery: Forgery, source: ModelRef | None, step: int, other: Cid | None) -> list[Tensor]:
        """Of several, the best is published."""
        generator = torch.Generator().manual_seed(derive_seed(self._seed, self._peer, "forgery", step))
        noise = torch.randn(self._network.size, generator=generator)
        if forgery is Forgery.RANDOM:
            return [noise * RANDOM_STD]
        if source is None or (other is None and forgery.of_two):
            raise DriverError(f"a {forgery} forgery needs a source")
        weights = self._get_announced(source.weights.cid, source).weights
        second = weights if other is None else self._models.get(other).weights
        match forgery:
            case Forgery.COPY:
                return [weights]
            case Forgery.PERTURBED:
                return [weights * (1 + NOISE * noise)]
            case Forgery.MEAN:
                return [average(second, weights)]
            case Forgery.DELTA:
                return [2 * weights - second]
            case Forgery.NOISY_DELTA:
                return [(2 * weights - second) * (1 + NOISE * noise)]
            case Forgery.BEST_MIX:
                return [second + (weights - second) * tenths / 10 for tenths in range(1, 10)]
            case _:
                assert_never(forgery)

    def _get_announced(self, cid: Cid, model: ModelRef, earlier: tuple[Cid, ...] = ()) -> DecodedModel:
        decoded = self._models.get_announced(cid, self._session_cid, model)
        if self._mean and (decoded.metadata.rows or decoded.metadata.mix):
            raise PortError(Reason.MALFORMED, "facts for another averaging rule")
        if decoded.metadata.mix and not model.parents:
            raise PortError(Reason.MALFORMED, "shares of an average, of a model without parents")
        if model.parents and all(parent in self._blocks for parent in model.parents.cids):
            base, remote = (self._models.get(parent) for parent in model.parents.cids)
            creators = base.metadata.creator or model.creator, remote.metadata.creator  # initial weights have none
            mix = MEAN if self._mean else decoded.metadata.mix
            true = is_mix(mix, len(self._network.shapes)) and creators == model.parents.creators
            if not true or not torch.equal(self._average(base, remote, mix), decoded.weights):
                raise PortError(Reason.PARENTS)
        elif (found := self._similar.nearest(cid, earlier)) and self._forbids(found.equal):
            raise TooSimilar(found)  # a verified average is like its parents, and says so
        return decoded

    def _forbids(self, equal: Score) -> bool:
        return Fraction(equal.correct, equal.total) >= self._forbidden

    def _average(self, own: DecodedModel, other: DecodedModel, mix: Mix) -> Tensor:
        return average(own.weights, other.weights, mix, self._network)

    def _best_mix(self, own: DecodedModel, other: DecodedModel, step: int) -> ScoredWeights:
        """The best average of those that the session's rule names; the mean, and the error, if it fails."""

        def scores() -> tuple[Score, Score]:
            local, remote = self._scored([own.weights, other.weights])
            return local.score, remote.score

        view = AveragingView(tuple(self._network.shapes), len(self._rows.train), other.metadata.rows, scores)
        failure = None
        try:
            mixes = averaging_rule(self._session.averaging.rule)(view)
        except PluginError as error:
            mixes, failure = [MEAN], error
        made = [self._average(own, other, mix) for mix in mixes]
        found = self._scored(made)
        best = max(range(len(made)), key=lambda index: found[index].score.correct)  # all are of the same rows
        weights, score = self._store(made[best], step, mixes[best]), found[best].score
        if failure := failure or found[best].failure:
            raise ScoredDespite(weights, score, failure)
        return weights, score

    def _scored(self, models: list[Tensor]) -> list[JobResult]:
        """On the peer's own validation rows, as one batch."""
        return [future.result() for future in self._scoring(models)]

    def _scoring(self, models: list[Tensor]) -> list[JobFuture]:
        return [self._pool.submit(self._score_job(weights)) for weights in models]

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
            weights = name(result.weights)
            if result.failure:
                raise ScoredDespite(weights, result.score, result.failure)
            return weights, result.score

        return lazy(finish)

    def _store(self, weights: Tensor, step: int, mix: Mix = ()) -> Weights:
        """Store new weights as a block created by this peer.  Raises PortError: NOT_FINITE."""
        if not all_finite(weights):
            raise PortError(Reason.NOT_FINITE, "training or averaging diverged")
        rows = 0 if self._mean else len(self._rows.train)
        metadata = BlockMetadata(self._session_cid, self._peer, step, rows, mix)
        block = encode_block(self._network, weights, metadata)
        cid = cid_of(block)
        model = DecodedModel(weights, weights_digest(weights), metadata)
        self._blocks[cid] = block
        self._pool.models.put(cid, model)
        return Weights(cid, model.digest)
