"""Decoded weights by CID, bounded: what a peer has just made or fetched it soon needs again.

Safe to share, since a CID names its content; whoever asks must still hold the block (``trainer``).
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor

from learnae.protocol.types import Cid


@dataclass(frozen=True, slots=True)
class BlockMetadata:
    """A block's metadata.  ``session`` is empty only for initial weights: they are older than the session's CID."""

    session: str
    creator: str
    step: int


@dataclass(frozen=True, eq=False, slots=True)
class Decoded:
    """A sound block's content: right names and shapes, float32, finite."""

    weights: Tensor  # (T,)
    digest: str
    stamp: BlockMetadata


class Cache:
    """The last used models, at most ``limit`` bytes of weights."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes, self._lock = limit, 0, threading.Lock()
        self._models: OrderedDict[Cid, Decoded] = OrderedDict()

    def get(self, cid: Cid) -> Decoded | None:
        with self._lock:
            if cid in self._models:
                self._models.move_to_end(cid)
            return self._models.get(cid)

    def put(self, cid: Cid, model: Decoded) -> None:
        with self._lock:
            old = self._models.pop(cid, None)
            self._models[cid] = model
            self._bytes += model.weights.nbytes - (old.weights.nbytes if old else 0)
            while self._bytes > self._limit:
                self._bytes -= self._models.popitem(last=False)[1].weights.nbytes
