"""A stand-in for another processor: all that is trained on it differs in the last bits."""

from collections import ChainMap
from concurrent.futures import Future
from typing import Any

from learnae.lazy_future import lazy
from learnae.learn.model import create_network
from learnae.learn.network import Network
from learnae.learn.serialization import decode_block, encode_block, weights_digest
from learnae.messages.wire import cid_of
from learnae.ports import Trainer
from learnae.protocol.types import Cid, PeerId, Score, Weights
from learnae.runtime.learning import Blocks
from learnae.runtime.torch_learning import TorchLearning

LAST_BITS = 1e-6  # of each weight


class OtherProcessor(TorchLearning):
    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        network = create_network(self.session.model, *self.table.shape)
        overlay: Blocks = ChainMap({}, blocks)  # the models with the true bits are nowhere else
        training = super().trainer(index, peer, session_id, overlay)
        return _OtherTrainer(super().trainer(index, peer, session_id, blocks), training, network, overlay, blocks)


class _OtherTrainer:
    def __init__(self, real: Trainer, training: Trainer, network: Network, overlay: Blocks, blocks: Blocks) -> None:
        self._real, self._training, self._network = real, training, network
        self._overlay, self._blocks = overlay, blocks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[tuple[Weights, Score]]:
        future = self._training.train(base, slice, visit, step, rows, earlier)
        return lazy(lambda: self._changed(*future.result()))

    def _changed(self, weights: Weights, score: Score) -> tuple[Weights, Score]:
        model = decode_block(self._network, self._overlay[weights.cid])
        tensor = model.weights * (1 + LAST_BITS)
        block = encode_block(self._network, tensor, model.metadata)
        self._blocks[cid_of(block)] = block
        return Weights(cid_of(block), weights_digest(tensor)), score
