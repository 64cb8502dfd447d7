"""Weights by CID: creates the initial block and decodes the blocks that a peer holds."""

import hashlib
from collections.abc import Mapping

import torch

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata, DecodedModel, ModelCache
from learnae.learn.datasets.dataset import HEPMASS, Shape
from learnae.learn.model import create_network
from learnae.learn.network import Network
from learnae.learn.serialization import decode_block, encode_block
from learnae.protocol.types import Cid, ModelRef
from learnae.session.settings import Session


def derive_seed(*parts: object) -> int:
    """An independent random seed for each combination of parts: 63 bits of SHA-256."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big") >> 1


def initial_block(session: Session, seed: str, peer: str = "", shape: Shape = HEPMASS) -> bytes:
    """Random initial weights: common to the swarm, or of ``peer`` when ``common_initial_weights`` is false.

    ``shape``: ``Dataset.shape``.
    The block exists before the session's CID: session and creator are empty in its metadata, its step is 0.
    """
    network = create_network(session.model, *shape)
    weights = network.random_weights(torch.Generator().manual_seed(derive_seed(seed, "initial", peer)))
    return encode_block(network, weights, BlockMetadata("", "", 0))


class WeightStore:
    """The blocks of one peer, decoded once as long as the shared cache holds them."""

    def __init__(self, network: Network, blocks: Mapping[Cid, bytes], cache: ModelCache) -> None:
        self._network, self._blocks, self._cache = network, blocks, cache

    def get(self, cid: Cid) -> DecodedModel:
        """Raises PortError: NOT_FOUND, OVERSIZE, MALFORMED, SHAPE, NOT_FINITE."""
        if cid not in self._blocks:
            raise PortError(Reason.NOT_FOUND, cid)
        model = self._cache.get(cid)
        if model is None:
            model = decode_block(self._network, self._blocks[cid])
            self._cache.put(cid, model)
        return model

    def get_announced(self, cid: Cid, session: Cid, ref: ModelRef) -> DecodedModel:
        """A remote model, exactly as announced.

        Raises PortError as ``get`` does, and CREATOR (other creator, step or session in the metadata), DIGEST.
        """
        model = self.get(cid)
        if (found := model.metadata) != BlockMetadata(session, ref.creator, ref.step, found.rows, found.mix):
            raise PortError(Reason.CREATOR, f"the block has {found}")
        if model.digest != ref.weights.digest:
            raise PortError(Reason.DIGEST)
        return model
