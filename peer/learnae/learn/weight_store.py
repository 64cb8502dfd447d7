"""Blocks as weights: what initial blocks hold, and how a block's CID becomes a decoded model."""

import hashlib
from collections.abc import Mapping

import torch

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata, Cache, Decoded
from learnae.learn.datasets.dataset import CLASSES, FEATURES
from learnae.learn.model import Mlp, mlp
from learnae.learn.serialization import dump, load
from learnae.protocol.types import Cid, ModelRef
from learnae.session.settings import Session


def seed_of(*parts: object) -> int:
    """Independent dice for each combination of parts: 63 bits of SHA-256."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


def initial_block(session: Session, seed: str, peer: str = "", shape: tuple[int, int] = (FEATURES, CLASSES)) -> bytes:
    """Random weights to begin with: the swarm's, or ``peer``'s own when ``common_initial_weights`` is false.

    ``shape``: inputs and outputs, ``Table.shape``.
    Made before the session has a CID: session and creator are empty in its metadata, its step is 0.
    """
    network = mlp(session.model, *shape)
    weights = network.init(torch.Generator().manual_seed(seed_of(seed, "initial", peer)))
    return dump(network, weights, BlockMetadata("", "", 0))


class WeightStore:
    """One holder's blocks, decoded at most once while the shared cache remembers them."""

    def __init__(self, network: Mlp, blocks: Mapping[Cid, bytes], cache: Cache) -> None:
        self._network, self._blocks, self._cache = network, blocks, cache

    def get(self, cid: Cid) -> Decoded:
        """Raises PortError: NOT_FOUND, OVERSIZE, MALFORMED, SHAPE, NOT_FINITE."""
        if cid not in self._blocks:
            raise PortError(Reason.NOT_FOUND, cid)
        model = self._cache.get(cid)
        if model is None:
            model = load(self._network, self._blocks[cid])
            self._cache.put(cid, model)
        return model

    def announced(self, cid: Cid, session: Cid, ref: ModelRef) -> Decoded:
        """A remote model, exactly as announced.  Raises PortError as ``get`` does, and CREATOR (its stamp names
        another creator, step or session), DIGEST."""
        model = self.get(cid)
        if model.stamp != BlockMetadata(session, ref.creator, ref.step):
            raise PortError(Reason.CREATOR, f"stamped {model.stamp}")
        if model.digest != ref.weights.digest:
            raise PortError(Reason.DIGEST)
        return model
