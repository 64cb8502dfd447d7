"""Decoded weights by CID, bounded by size: a peer soon needs again what it has just trained or fetched.

Peers can share a cache because a CID identifies its content; a peer must still hold the block (``WeightStore``).
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from learnae.protocol.types import Cid


@dataclass(frozen=True, slots=True)
class BlockMetadata:
    """The metadata in a block.  ``session`` is empty only for initial weights, which exist before the session's CID.

    If the session has another averaging rule than the paper's: ``rows`` that the creator trains on, by its own account,
    and ``mix``, the shares of an average (``protocol.averaging``).
    """

    session: str
    creator: str
    step: int
    rows: int = 0
    mix: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class DecodedModel:
    """The content of a valid block: the expected names and shapes, float32, finite."""

    weights: Tensor  # (T,)
    digest: str
    metadata: BlockMetadata


class ModelCache:
    """The most recently used models, up to ``max_bytes`` of weights."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._lock = max_bytes, threading.Lock()
        self._bytes = 0
        self._models: OrderedDict[Cid, DecodedModel] = OrderedDict()

    def get(self, cid: Cid) -> DecodedModel | None:
        with self._lock:
            if cid in self._models:
                self._models.move_to_end(cid)
            return self._models.get(cid)

    def put(self, cid: Cid, model: DecodedModel) -> None:
        with self._lock:
            old = self._models.pop(cid, None)
            self._models[cid] = model
            self._bytes += model.weights.nbytes - (old.weights.nbytes if old else 0)
            while self._bytes > self._max_bytes:
                self._bytes -= self._models.popitem(last=False)[1].weights.nbytes
