"""Which models were heard of, from whom, and which of them is worth an averaging attempt next.

Bounds: each creator's newest model only; a number of announcements and of attempts a creator; a number of peers, kept
by a seeded reservoir (those whose hash with the peer's seed is least), so that the first to shout do not fill it.
"""

import hashlib
import random
from dataclasses import dataclass

from learnae.errors import Reason
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import ModelAnnouncement, ModelRef, PeerId

RETRY_AFTER = 2.0  # s until a model that could not be fetched is tried again; doubles each time
FETCH_TRIES = 6  # failed fetches until a model is given up: more than a minute, and no reason to stay awake for ever


@dataclass(slots=True)
class KnownPeer:
    rank: str  # in the reservoir
    claims: int = 0  # heard
    heard: int = 0  # models
    attempts: int = 0  # on any of its models
    newest: ModelRef | None = None
    hints: tuple[str, ...] = ()
    tried: bool = True  # the newest
    failures: int = 0  # fetches of the newest that failed
    not_before: float = 0.0  # s


class PeerBook:
    def __init__(self, config: PeerConfig) -> None:
        self._config = config
        self.known: dict[PeerId, KnownPeer] = {}
        self._makers: dict[str, PeerId] = {}  # digest of tensors -> who was heard with them first

    def admits(self, peer: PeerId) -> bool:
        full = len(self.known) >= self._config.network.max_peers
        return peer in self.known or not full or self._rank(peer) < self._last()[1]

    def meet(self, peer: PeerId) -> tuple[bool, PeerId | None]:
        """Whether the peer is new, and who had to make room for it."""
        if peer in self.known:
            return False, None
        evicted = self._last()[0] if len(self.known) >= self._config.network.max_peers else None
        if evicted:
            del self.known[evicted]
        self.known[peer] = KnownPeer(self._rank(peer))
        return True, evicted

    def identified(self) -> int:
        return sum(each.claims > 0 for each in self.known.values())

    def screen_claim(self, sender: PeerId) -> Reason | None:
        """Why whatever this peer claims is not worth an event."""
        neighbour = self.known.get(sender)
        return Reason.RATE_LIMIT if neighbour and neighbour.claims >= self._config.network.max_announcements else None

    def screen(self, model: ModelRef) -> Reason | None:
        """Why an announcement is not worth an event."""
        neighbour = self.known.get(model.creator)
        if neighbour is None or neighbour.newest is None:
            return None
        if model.step <= neighbour.newest.step:
            return Reason.REPEAT if model == neighbour.newest else Reason.STALE
        if self._makers.get(model.weights.digest) == model.creator:
            return Reason.REPEAT  # old tensors under a new number are no new model
        spent = (
            neighbour.attempts >= self._config.work.max_attempts_per_creator
            or neighbour.heard >= self._config.network.max_announcements
        )
        return Reason.RATE_LIMIT if spent else None

    def hear(self, announcement: ModelAnnouncement) -> Reason | None:
        """Take an announcement; COPY if these tensors were heard of under another name."""
        model = announcement.model
        neighbour = self.known[model.creator]
        neighbour.heard += 1
        neighbour.newest, neighbour.hints = model, announcement.addresses
        neighbour.failures, neighbour.not_before = 0, 0.0
        copy = self.made(model) != model.creator
        neighbour.tried = copy
        return Reason.COPY if copy else None

    def made(self, model: ModelRef) -> PeerId:
        """Who was first heard of with these tensors."""
        return self._makers.setdefault(model.weights.digest, model.creator)

    def pick(self, rng: random.Random, now: float) -> ModelRef | None:
        """A model not yet tried, its creator drawn uniformly; in whatever order they were met."""
        models = [
            each.newest
            for each in sorted(self.known.values(), key=lambda each: each.rank)
            if not each.tried
            and each.newest
            and each.not_before <= now
            and each.attempts < self._config.work.max_attempts_per_creator
        ]
        return rng.choice(models) if models else None

    def retry_at(self) -> float | None:
        """When a model that could not be fetched may be tried again."""
        waiting = (
            each.not_before
            for each in self.known.values()
            if not each.tried and each.attempts < self._config.work.max_attempts_per_creator
        )
        return min(waiting, default=None)

    def begin(self, model: ModelRef) -> tuple[str, ...]:
        """An attempt begins; where to look for the model."""
        neighbour = self.known[model.creator]
        neighbour.tried = True
        neighbour.attempts += 1
        return neighbour.hints

    def not_fetched(self, model: ModelRef, now: float) -> None:
        """Try it again later, unless its creator has been heard with a newer one or was forgotten."""
        neighbour = self.known.get(model.creator)
        if neighbour and neighbour.newest == model:
            neighbour.not_before = now + RETRY_AFTER * 2**neighbour.failures
            neighbour.failures += 1
            neighbour.tried = neighbour.failures >= FETCH_TRIES

    def _rank(self, peer: PeerId) -> str:
        return hashlib.sha256(f"{self._config.seed} {peer}".encode()).hexdigest()

    def _last(self) -> tuple[PeerId, str]:
        peer = max(self.known, key=lambda each: self.known[each].rank)
        return peer, self.known[peer].rank
