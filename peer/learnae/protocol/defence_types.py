"""Values of defences: sealed models (``access``), and models that resemble those of others (``similar``)."""

from dataclasses import dataclass

from learnae.protocol.types import Cid, PeerId, Score

Recipients = tuple[tuple[PeerId, str], ...]  # peers for which a model is sealed, with their public keys


@dataclass(frozen=True, slots=True)
class SealedKey:
    """What one peer needs to fetch and read a sealed model, in addition to its secret.

    ``cid``: of the encrypted block.  ``creator_key``: the creator's public key.
    """

    cid: Cid
    creator_key: str
    wrapped: str


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a model is sealed.  ``keys``: the wrapped key of the model for each peer that may read it."""

    cid: Cid
    creator_key: str
    keys: tuple[tuple[PeerId, str], ...]

    def key_of(self, peer: PeerId) -> SealedKey | None:
        wrapped = dict(self.keys).get(peer)
        return SealedKey(self.cid, self.creator_key, wrapped) if wrapped else None


@dataclass(frozen=True, slots=True)
class Likeness:
    """A model that predicts like another one.  ``equal``: for how many of a peer's rows both predict the same class."""

    cid: Cid
    equal: Score
