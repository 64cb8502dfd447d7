"""The peers and models that a peer knows, and the model that is worth the next averaging attempt.

Memory is bounded: the newest model of each creator, a max number of announcements and attempts per creator, and a max
number of peers.  Which peers are kept is a seeded random choice (those with the smallest hash of seed and id), so that
the first to announce cannot fill the book.
"""

import hashlib
import random
from dataclasses import dataclass

from learnae.errors import Reason
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import ModelAnnouncement, ModelRef, PeerId

RETRY_AFTER = 2.0  # s until a model that could not be fetched is tried again; doubles each time
FETCH_TRIES = 6  # failed fetches until a model is given up: after more than a minute, so that the peer can finish


@dataclass(slots=True)
class KnownPeer:
    rank: str  # the peers with the smallest ranks are kept
    claims_received: int = 0
    models_received: int = 0
    attempts: int = 0  # averagings with any of its models
    newest: ModelRef | None = None
    hints: tuple[str, ...] = ()
    tried: bool = True  # the newest model
    failures: int = 0  # failed fetches of the newest model
    not_before: float = 0.0  # s: of the next fetch


class PeerBook:
    def __init__(self, config: PeerConfig) -> None:
        self._config = config
        self.peers: dict[PeerId, KnownPeer] = {}
        self._creators: dict[str, PeerId] = {}  # digest of tensors -> the first peer that announced them

    @property
    def identified(self) -> int:
        """Number of peers that have announced a claim."""
        return sum(peer.claims_received > 0 for peer in self.peers.values())

    def has_room_for(self, peer: PeerId) -> bool:
        return peer in self.peers or not self._full or self._rank(peer) < self._last()[1]

    def add(self, peer: PeerId) -> tuple[bool, PeerId | None]:
        """Return whether the peer is new, and the peer that was removed to make room for it."""
        if peer in self.peers:
            return False, None
        removed = self._last()[0] if self._full else None
        if removed:
            del self.peers[removed]
        self.peers[peer] = KnownPeer(self._rank(peer))
        return True, removed

    def screen_claim(self, sender: PeerId) -> Reason | None:
        """Why no claim of this sender is worth an event; None if one is."""
        peer = self.peers.get(sender)
        return Reason.RATE_LIMIT if peer and peer.claims_received >= self._config.network.max_announcements else None

    def screen_model(self, model: ModelRef) -> Reason | None:
        """Why an announced model is not worth an event; None if it is."""
        peer = self.peers.get(model.creator)
        if peer is None or peer.newest is None:
            return None
        if model.step <= peer.newest.step:
            return Reason.REPEAT if model == peer.newest else Reason.STALE
        if self._creators.get(model.weights.digest) == model.creator:
            return Reason.REPEAT  # old tensors under a new number are not a new model
        flooding = peer.models_received >= self._config.network.max_announcements
        return Reason.RATE_LIMIT if flooding or not self._may_try(peer) else None

    def receive(self, announcement: ModelAnnouncement) -> Reason | None:
        """Enter an announced model; COPY if another peer announced these tensors first."""
        model = announcement.model
        peer = self.peers[model.creator]
        peer.models_received += 1
        peer.newest, peer.hints = model, announcement.addresses
        peer.failures, peer.not_before = 0, 0.0
        peer.tried = self.credit(model) != model.creator
        return Reason.COPY if peer.tried else None

    def credit(self, model: ModelRef) -> PeerId:
        """The first peer that announced these tensors; from now on the model's creator, if there is none."""
        return self._creators.setdefault(model.weights.digest, model.creator)

    def pick(self, rng: random.Random, now: float) -> ModelRef | None:
        """A model not yet tried; its creator is drawn uniformly and does not depend on the order of arrival."""
        models = [
            peer.newest
            for peer in sorted(self.peers.values(), key=lambda peer: peer.rank)
            if not peer.tried and peer.newest and peer.not_before <= now and self._may_try(peer)
        ]
        return rng.choice(models) if models else None

    def retry_at(self) -> float | None:
        """When a model that could not be fetched may be tried again."""
        waiting = (peer.not_before for peer in self.peers.values() if not peer.tried and self._may_try(peer))
        return min(waiting, default=None)

    def begin_attempt(self, model: ModelRef) -> tuple[str, ...]:
        """Count an attempt; return multiaddrs of the model's creator."""
        peer = self.peers[model.creator]
        peer.tried = True
        peer.attempts += 1
        return peer.hints

    def fetch_failed(self, model: ModelRef, now: float) -> None:
        """Try the model again later, unless its creator has announced a newer one or was removed."""
        peer = self.peers.get(model.creator)
        if peer and peer.newest == model:
            peer.not_before = now + RETRY_AFTER * 2**peer.failures
            peer.failures += 1
            peer.tried = peer.failures >= FETCH_TRIES

    # private

    @property
    def _full(self) -> bool:
        return len(self.peers) >= self._config.network.max_peers

    def _may_try(self, peer: KnownPeer) -> bool:
        return peer.attempts < self._config.work.max_attempts_per_creator

    def _rank(self, peer: PeerId) -> str:
        return hashlib.sha256(f"{self._config.seed} {peer}".encode()).hexdigest()

    def _last(self) -> tuple[PeerId, str]:
        """The peer that is removed next, and its rank."""
        peer = max(self.peers, key=lambda known: self.peers[known].rank)
        return peer, self.peers[peer].rank
