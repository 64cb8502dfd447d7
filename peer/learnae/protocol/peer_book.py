"""The peers that a peer knows, their newest models, and which of these are worth a fetch.

Memory is bounded: the newest model of each creator, a max number of announcements and attempts per creator, and a max
number of peers.  When the book is full,
- the peers that proved useful stay, up to three quarters of the book: first those with the most adopted models, then,
  up to a quarter, those with a verified claim and a scored model; of equals, those that were met earlier;
- which others stay is a random choice that only this peer can predict (those with the smallest hash of its salt and
  their id), so that neither the first to announce nor somebody who chooses its keys can fill the book.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol.creators import REMEMBERED, Creators
from learnae.protocol.decisions import Verdict
from learnae.protocol.defence_types import Recipients, SealedKey
from learnae.protocol.delivery import Delivery
from learnae.protocol.directory import Directory
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, ModelRef, PeerId


@dataclass(slots=True)
class KnownPeer:
    rank: str  # of the peers that are not protected, those with the smallest ranks are kept
    claims_received: int = 0
    claim_verified: bool = False  # the chain has a claim to its id, and the directory admitted it
    models_scored: int = 0
    models_adopted: int = 0
    models_received: int = 0
    attempts: int = 0  # averagings with any of its models
    useless: bool = False  # this peer's policy uses no models of it
    newest: ModelRef | None = None
    hints: tuple[str, ...] = ()
    wanted: bool = False  # the newest model is worth a fetch and has not arrived
    news: bool = False  # the newest model was announced while this peer was DONE
    sealing_key: str = ""  # its public key, for which models are sealed; empty: not known
    keys: dict[Cid, SealedKey] = field(default_factory=dict)  # of its models that this peer can read, the newest last
    delivery: Delivery = field(default_factory=Delivery)


class PeerBook:
    def __init__(self, config: PeerConfig) -> None:
        self._config, self._sealed = config, config.defence.sealed
        self.peers: dict[PeerId, KnownPeer] = {}
        self.denied: set[PeerId] = set()  # peers whose models are not averaged (``reciprocity.py``)
        self.accepts: Callable[[PeerId], bool] | None = None  # whether an identity has its stake, if it needs one
        self._announced: dict[str, dict[PeerId, None]] = {}  # whose newest model has these tensors, by digest
        self._creators = Creators()
        self._first_to_go: tuple[PeerId, str] | None = None  # and its rank; None: to be computed

    def has_room_for(self, peer: PeerId) -> bool:
        return peer in self.peers or not self._full or self._rank(peer) < self._last()[1]

    def add(self, peer: PeerId) -> PeerId | None:
        """Enter a peer that is not known; return the one that was removed to make room for it."""
        removed = self._last()[0] if self._full else None
        if removed:
            self._replace_newest(removed, self.peers.pop(removed), None)
            self._creators.forget(removed)
        self.peers[peer] = KnownPeer(self._rank(peer))
        self._first_to_go = None
        return removed

    def claim_read(self, request: do.ReadClaim, peer: PeerId, directory: Directory) -> None:
        """Note that the directory has a wallet of a peer.

        A peer that repeats an old claim of another one does not replace the key of the other.
        """
        if directory.payee(peer):
            admitted = directory.entries[request.sender, request.claim.contract].verdict is not Verdict.REJECTED
            own = admitted and request.sender == peer
            self.claim_verified(peer, request.claim.sealing_key if own else None)

    def claim_verified(self, peer: PeerId, sealing_key: str | None = None) -> None:
        """Note that a wallet is known that is paid for the peer's models; and its key, if this peer has claimed it."""
        if known := self.peers.get(peer):
            known.claim_verified = True
            known.sealing_key = known.sealing_key if sealing_key is None else sealing_key
            self._first_to_go = None

    def model_scored(self, creator: PeerId, adopted: bool) -> None:
        """Note that a peer's model was fetched, verified and scored."""
        if known := self.peers.get(creator):
            known.models_scored += 1
            known.models_adopted += adopted
            self._first_to_go = None

    def screen_claim(self, sender: PeerId) -> Reason | None:
        """Why no claim of this sender is worth an event; None if one is."""
        peer = self.peers.get(sender)
        return Reason.RATE_LIMIT if peer and peer.claims_received >= self._config.network.max_announcements else None

    @property
    def readers(self) -> Recipients:
        """The peers that may read this peer's models, as far as their keys are known."""
        known = ((peer, known.sealing_key) for peer, known in self.peers.items() if peer not in self.denied)
        return tuple(sorted(reader for reader in known if reader[1]))

    def screen_model(self, announcement: ModelAnnouncement) -> Reason | None:
        """Why an announced model is not worth an event; None if it is."""
        model, sealing = announcement.model, announcement.sealing
        if (sealing is not None) is not self._sealed:
            return Reason.SEAL
        peer = self.peers.get(model.creator)
        if peer is None or peer.newest is None:
            return None
        if model.step <= peer.newest.step:
            if model != peer.newest:
                return Reason.STALE
            unlocks = sealing and not self.can_read(model) and sealing.key_of(self._config.peer)
            return None if unlocks else Reason.REPEAT
        if self._creators.claims(model.creator, model.weights.digest):
            return Reason.REPEAT  # old tensors under a new number are not a new model
        flooding = peer.models_received >= self._config.network.max_announcements
        return Reason.RATE_LIMIT if flooding or self._used_up(peer) else None

    def receive(self, announcement: ModelAnnouncement, now: float, news: bool = False) -> Reason | None:
        """Enter an announced model; COPY if another peer is credited with its tensors."""
        model, sealing = announcement.model, announcement.sealing
        peer = self.peers[model.creator]
        peer.models_received += 1
        self._replace_newest(model.creator, peer, model)
        peer.hints, peer.news = announcement.addresses, news
        peer.delivery.announced()
        self._creators.announce(model, now)
        if sealing and (key := sealing.key_of(self._config.peer)):
            peer.keys[model.weights.cid] = key
            if len(peer.keys) > REMEMBERED:
                del peer.keys[next(iter(peer.keys))]
        creator = self._creators.credited.get(model.weights.digest)
        peer.wanted = creator is None
        return None if creator in (None, model.creator) else Reason.COPY

    def can_read(self, model: ModelRef) -> bool:
        """Whether a model of a peer in the book is open, or sealed for this peer."""
        return not self._sealed or model.weights.cid in self.peers[model.creator].keys

    def is_settled(self, model: ModelRef) -> bool:
        """Whether somebody is credited with these tensors, so that they have been tried."""
        return model.weights.digest in self._creators.credited

    def credit(self, model: ModelRef) -> list[ModelRef]:
        """Credit the creator of a verified model; return the copies that other peers have announced."""
        self._creators.credit(model)
        owner = self._creators.credited[model.weights.digest]
        copiers = [peer for peer in self._announcers(model) if peer.newest and peer.newest.creator != owner]
        creator = self.peers.get(model.creator)
        if copiers and creator and creator.newest != model:  # it was tried in the place of the copies
            creator.attempts -= 1
            for peer in copiers:
                peer.attempts += 1
        for peer in copiers:
            peer.wanted = False
        return [peer.newest for peer in copiers if peer.newest]

    def refute(self, model: ModelRef) -> None:
        """Note that a model was fetched and is not what its creator announced."""
        self._creators.refute(model)

    def wanted(self, now: float, only_news: bool) -> list[ModelRef]:
        """Models to fetch, in an order that does not depend on the order of arrival.

        In the place of a model whose tensors another peer announced earlier stands the other peer's.
        """
        wanted = [peer for peer in self.peers.values() if peer.wanted and (peer.news or not only_news)]
        wanted.sort(key=attrgetter("rank"))
        models = [peer.newest for peer in wanted if peer.newest and self._may_try(peer.newest.creator, peer)]
        firsts = [self._creators.first(model, now, self._available) for model in models]
        if firsts != models:  # then one may occur twice; otherwise skip the slow hashing
            firsts = list(dict.fromkeys(firsts))
        return [model for model in firsts if self.can_read(model)] if self._sealed else firsts

    def fetched(self, model: ModelRef, now: float) -> bool:
        """Enter a fetched model; return whether it may be tried: its creator is still known and within its limit."""
        peer = self.peers.get(model.creator)
        if peer is None:
            return False
        peer.delivery.succeed(now)
        peer.wanted = peer.wanted and (peer.newest != model or self.refuses(model.creator))
        return self.may_try(model.creator)

    def refuses(self, creator: PeerId) -> bool:
        """Whether its models are not averaged at present."""
        return creator in self.denied or (self.accepts is not None and not self.accepts(creator))

    def may_try(self, creator: PeerId) -> bool:
        """Whether this peer averages with models of the creator."""
        peer = self.peers.get(creator)
        return peer is not None and self._may_try(creator, peer)

    def wakes(self, model: ModelRef) -> bool:
        """Whether these tensors are the newest model of a peer, announced while this peer was DONE."""
        return any(peer.news for peer in self._announcers(model))

    def begin_attempt(self, model: ModelRef) -> None:
        """Count an attempt."""
        peer = self.peers.get(model.creator)
        if peer:
            peer.attempts += 1

    # private

    @property
    def _full(self) -> bool:
        return len(self.peers) >= self._config.network.max_peers

    def _replace_newest(self, creator: PeerId, peer: KnownPeer, model: ModelRef | None) -> None:
        if peer.newest:
            announcers = self._announced[peer.newest.weights.digest]
            del announcers[creator]
            if not announcers:
                del self._announced[peer.newest.weights.digest]
        peer.newest = model
        if model:
            self._announced.setdefault(model.weights.digest, {})[creator] = None

    def _announcers(self, model: ModelRef) -> list[KnownPeer]:
        """The peers whose newest model has these tensors, in the order of their announcements."""
        return [self.peers[peer] for peer in self._announced.get(model.weights.digest, ())]

    def _may_try(self, creator: PeerId, peer: KnownPeer) -> bool:
        return not (peer.useless or self.refuses(creator) or self._used_up(peer))

    def _available(self, model: ModelRef) -> bool:
        creator = model.creator
        return self.may_try(creator) and not self.peers[creator].delivery.failures and self.can_read(model)

    def _used_up(self, peer: KnownPeer) -> bool:
        return peer.attempts >= self._config.work.max_attempts_per_creator

    def _rank(self, peer: PeerId) -> str:
        return hashlib.sha256(f"{self._config.salt} {peer}".encode()).hexdigest()

    def _last(self) -> tuple[PeerId, str]:
        """The peer that is removed next, and its rank."""
        if self._first_to_go is None:
            protected = self._protected()
            peer = max((known for known in self.peers if known not in protected), key=lambda it: self.peers[it].rank)
            self._first_to_go = peer, self.peers[peer].rank
        return self._first_to_go

    def _protected(self) -> set[PeerId]:
        """The peers that no stranger displaces.  Their number is limited: usefulness, too, can be bought."""
        most, most_by_claim = self._config.network.max_peers * 3 // 4, self._config.network.max_peers // 4
        adopted = [peer for peer, known in self.peers.items() if known.models_adopted]
        adopted = sorted(adopted, key=lambda peer: -self.peers[peer].models_adopted)[:most]
        others = ((peer, known) for peer, known in self.peers.items() if not known.models_adopted)
        claimed = [peer for peer, known in others if known.claim_verified and known.models_scored]
        return {*adopted, *claimed[: min(most_by_claim, most - len(adopted))]}
