"""Which peer is credited with which tensors.

An announcement costs nothing, so it proves nothing: anybody can announce the digest of a model that it has just
received or will never have.  Rules:

1. An announcement is a claim.  Claims to the same tensors rank by arrival.
2. A peer is credited with tensors once its block was fetched and verified: they have the announced digest, and the
   block names the announcer as their creator.  Its own tensors a peer knows at once.
3. Of several claimants, the first is tried first, even if it has announced a newer model since.  So a peer that copies
   a model is not credited with it before its creator.
4. Precedence needs a peer whose models can be fetched and whose last one was what it had announced.  As long as none of
   its models was verified, a claim has precedence for ``UNPROVEN`` seconds only: identities cost nothing, either.
"""

from collections.abc import Callable

from learnae.protocol.types import ModelRef, PeerId

REMEMBERED = 50  # unverified claims per creator
UNPROVEN = 15.0  # s: longer than a fetch that succeeds


class Creators:
    def __init__(self) -> None:
        self.credited: dict[str, PeerId] = {}  # who is credited with tensors, by their digest
        self._claims: dict[str, dict[PeerId, tuple[ModelRef, float]]] = {}  # by digest, in order of arrival
        self._digests: dict[PeerId, list[str]] = {}  # of a creator's claims, in order of arrival
        self._verified: dict[PeerId, bool] = {}  # whether the last model that was tried was as announced

    def claims(self, creator: PeerId, digest: str) -> bool:
        """Whether this peer is credited with these tensors, or has announced them."""
        return self.credited.get(digest) == creator or creator in self._claims.get(digest, ())

    def announce(self, model: ModelRef, now: float) -> None:
        """Enter a claim, unless somebody is already credited with the tensors."""
        digest = model.weights.digest
        if digest not in self.credited and model.creator not in self._claims.get(digest, ()):
            self._claims.setdefault(digest, {})[model.creator] = model, now
            digests = self._digests.setdefault(model.creator, [])
            digests.append(digest)
            if len(digests) > REMEMBERED:
                self._drop(model.creator, digests[0])

    def first(self, model: ModelRef, now: float, available: Callable[[ModelRef], bool]) -> ModelRef:
        """The model with the same tensors that is tried before this one; the model itself if there is none.

        ``available``: whether a model can be fetched and tried now.
        """
        for creator, (claimed, at) in self._claims.get(model.weights.digest, {}).items():
            if creator == model.creator:
                break
            if self._verified.get(creator, now < at + UNPROVEN) and available(claimed):
                return claimed
        return model

    def credit(self, model: ModelRef) -> None:
        """Credit the creator of a verified model with its tensors, unless somebody was credited before."""
        digest = model.weights.digest
        self.credited.setdefault(digest, model.creator)
        self._verified[model.creator] = True
        for creator in list(self._claims.get(digest, ())):
            self._drop(creator, digest)

    def refute(self, model: ModelRef) -> None:
        """Drop the claim to a model whose block is not what was announced."""
        self._verified[model.creator] = False
        if model.creator in self._claims.get(model.weights.digest, {}):
            self._drop(model.creator, model.weights.digest)

    def forget(self, creator: PeerId) -> None:
        """Drop the claims of a peer that made room for another.  What it is credited with stays."""
        for digest in list(self._digests.get(creator, ())):
            self._drop(creator, digest)
        self._digests.pop(creator, None)
        self._verified.pop(creator, None)

    # private

    def _drop(self, creator: PeerId, digest: str) -> None:
        self._digests[creator].remove(digest)
        del self._claims[digest][creator]
        if not self._claims[digest]:
            del self._claims[digest]
