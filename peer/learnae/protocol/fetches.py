"""Fetches models before the work machine needs them, so that a model that never arrives delays nothing else.

Rules:
1. The newest models of randomly drawn creators are fetched, until ``READY`` are at hand or on their way.  More would be
   superseded before they are tried.
2. Only reliable creators (see ``Delivery``) count there; of the others, ``STRANGERS`` may be on their way.  A slow
   fetch, one that takes longer than most did, counts in neither.  So tarpits, peers that announce models that
   nobody can fetch, take little room from others.
3. One fetch per creator at a time.  A model that is superseded before it is tried is dropped.  A peer out of patience
   drops what is no news, so that it has room for what is.
4. ``Delivery`` says when a creator is tried again and when it is given up.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random
from statistics import median

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import AttemptFailed, FetchFailed
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.requests import Requests
from learnae.protocol.rules import Rule
from learnae.protocol.types import ModelRef, PeerId, Timer

READY = 1  # models at hand, or on their way from reliable creators
STRANGERS = 1  # models on their way from others
STRANGERS_IF_SLOW = 4  # the same while a fetch is slow, since many may be tarpits then
OPEN = 16  # max open fetches, slow ones included
RESERVED = 3  # of these: for reliable creators only
JUDGED = 15  # fetches that arrived last; their median is the usual duration
SLOW = 2  # usual durations until a fetch is slow
MIN_SLOW, FIRST_SLOW = 0.5, 2.0  # s: at least, and as long as no model has arrived
OUTAGE_WAIT = 90.0  # s: longer than the waits of ``Delivery`` after an outage of a minute


class Fetches(Rule):
    """``arrived`` gets each model that was fetched, and whether it wakes a peer that is DONE."""

    def __init__(
        self, rng: Random, requests: Requests, peer_book: PeerBook, arrived: Callable[[ModelRef, bool], None]
    ) -> None:
        self._rng, self._requests, self._peer_book, self._arrived = rng, requests, peer_book, arrived
        self.ready: dict[PeerId, ModelRef] = {}  # fetched and not tried, by creator
        self._taken: ModelRef | None = None  # the last one
        self._durations: deque[float] = deque(maxlen=JUDGED)  # s
        self.slow_after = FIRST_SLOW  # s: after which a fetch is slow
        self._last_arrival = 0.0  # s: when a model of any creator arrived

    @property
    def due_soon(self) -> bool:
        """Whether a model is on its way whose fetch is not slow."""
        return any(self._slow_at(creator) > self._requests.now for creator in self._creators())

    @property
    def expected(self) -> bool:
        """Whether a model of a reliable creator is on its way."""
        return any(self._reliable(creator) for creator in self._creators())

    @property
    def outage_wait(self) -> float:
        """Seconds that a peer without a candidate should wait for the end of an outage; 0 if there is none.

        In an outage, at least half of the creators that delivered before (of all, if none did) fail: then the fault is
        in the network or in the peer's own node.
        """
        known = [peer for peer in self._peer_book.peers.values() if peer.newest]
        judged = [peer for peer in known if peer.delivery.delivered] or known
        failing = sum(peer.wanted and peer.delivery.failing for peer in judged)
        return OUTAGE_WAIT if judged and 2 * failing >= len(judged) else 0.0

    def take(self) -> ModelRef:
        """One of the models at hand.  The creator is drawn uniformly; the order of arrival does not matter."""
        model = self._taken = self.ready.pop(self._rng.choice(sorted(self.ready)))
        self._peer_book.begin_attempt(model)
        return model

    def announced(self, announcement: on.ModelAnnouncement, done: bool) -> None:
        """Enter an announced model.  ``done``: the peer is DONE, so that the model is news."""
        model = announcement.model
        reason = self._peer_book.receive(announcement, self._requests.now, done)
        self.superseded(model.creator)
        if reason:
            self._requests.record(AttemptFailed(model.creator, model.weights.cid, reason))

    def answered(self, request: do.Request, event: on.Answer) -> None:
        match event, request:
            case on.ModelFetched(), do.FetchModel(model=ModelRef() as model):
                self._fetched(model)
            case on.RequestFailed(reason=reason), do.FetchModel(model=ModelRef() as model):
                self._failed(model, reason)

    def superseded(self, creator: PeerId) -> None:
        self.ready.pop(creator, None)

    def wanted(self, only_news: bool) -> bool:
        """Whether a model is left to fetch, now or later, of a creator that was not given up."""
        wanted, peers = self._peer_book.wanted(self._requests.now, only_news), self._peer_book.peers
        return any(not peers[model.creator].delivery.given_up for model in wanted)

    def fetch(self, only_news: bool) -> None:
        """Begin as many fetches as the rules allow; set a timer for those that must wait.

        ``only_news``: only models that were announced while the peer was DONE.
        """
        if self.ready:
            self.ready = {creator: model for creator, model in self.ready.items() if self._is_untried(model, only_news)}
            if len(self.ready) >= READY:
                return
        now = self._requests.now
        slow_at = {creator: self._slow_at(creator) for creator in self._creators()}
        quick = [self._reliable(creator) for creator, at in slow_at.items() if at > now]
        if len(self.ready) + sum(quick) >= READY:
            self._look_again([at for at in slow_at.values() if at > now])
            return
        strangers = STRANGERS if len(quick) == len(slow_at) else STRANGERS_IF_SLOW
        busy, tried = {*slow_at, *self.ready}, self._taken and self._taken.creator
        waiting = [model for model in self._peer_book.wanted(now, only_news) if model.creator not in busy]
        waiting = [model for model in waiting if model.creator != tried or model != self._taken]
        moments = [self._peer_book.peers[model.creator].delivery.not_before for model in waiting]
        due = [model for model, at in zip(waiting, moments, strict=True) if at <= now]
        while len(self.ready) + sum(quick) < READY and len(slow_at) < OPEN:
            admits_strangers = len(quick) - sum(quick) < strangers and len(slow_at) < OPEN - RESERVED
            allowed = due if admits_strangers else [model for model in due if self._reliable(model.creator)]
            if not allowed:
                break
            model = self._rng.choice(allowed)
            due = [other for other in due if other.creator != model.creator]
            self._fetch(model)
            quick.append(self._reliable(model.creator))
            slow_at[model.creator] = now + self.slow_after
        self._look_again([at for at in moments if at > now])
        if due:
            self._look_again([at for at in slow_at.values() if at > now])

    # private

    def _fetched(self, model: ModelRef) -> None:
        self._last_arrival = self._requests.now
        if peer := self._peer_book.peers.get(model.creator):
            self._durations.append(self._requests.now - peer.delivery.began_at)
            self.slow_after = max(MIN_SLOW, SLOW * median(self._durations))
        if self._peer_book.fetched(model, self._requests.now):
            self.ready[model.creator] = model
        self._arrived(model, self._peer_book.wakes(model))

    def _failed(self, model: ModelRef, reason: Reason) -> None:
        self._requests.record(FetchFailed(model.creator, model.weights.cid, reason))
        peer = self._peer_book.peers.get(model.creator)
        if peer:
            peer.delivery.fail(self._requests.now, self._last_arrival)

    def _is_untried(self, model: ModelRef, only_news: bool) -> bool:
        """Whether a model that was fetched may still be tried."""
        book = self._peer_book
        return not (book.is_settled(model) or book.refuses(model.creator)) and (not only_news or book.wakes(model))

    def _creators(self) -> list[PeerId]:
        """Of the models that are being fetched."""
        fetches = self._requests.open(do.FetchModel)
        return [fetch.model.creator for fetch in fetches if isinstance(fetch.model, ModelRef)]

    def _look_again(self, moments: list[float]) -> None:
        """Set the timer to the first of these, unless it fires before."""
        timer = self._requests.due(Timer.FETCH)
        if moments and (timer is None or timer > min(moments)):
            self._requests.set_timer(Timer.FETCH, min(moments) - self._requests.now)

    def _fetch(self, model: ModelRef) -> None:
        peer, cid = self._peer_book.peers[model.creator], model.weights.cid
        peer.delivery.began_at = self._requests.now
        self._requests.issue(partial(do.FetchModel, cid=cid, model=model, hints=peer.hints, key=peer.keys.get(cid)))

    def _slow_at(self, creator: PeerId) -> float:
        """When the open fetch from this creator counts as slow."""
        peer = self._peer_book.peers.get(creator)
        return peer.delivery.began_at + self.slow_after if peer else 0.0

    def _reliable(self, creator: PeerId) -> bool:
        peer = self._peer_book.peers.get(creator)
        return peer is not None and peer.delivery.reliable
