"""A peer's newest model, and its way into the store and to other peers."""

from functools import partial

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol.decisions import AttemptFailed, Published
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import ModelAnnouncement, ModelRef, Weights


class Publication:
    def __init__(self, config: PeerConfig, requests: Requests, peer_book: PeerBook) -> None:
        self._config, self._requests = config, requests
        self._peer_book = peer_book
        self.weights: Weights | None = None  # of the newest model
        self.step = 0  # counts the peer's own models
        self.published: ModelRef | None = None  # the newest model that the store has

    @property
    def pending(self) -> bool:
        """Whether the store lacks the newest model."""
        return self.step > (self.published.step if self.published else 0)

    def publish(self, weights: Weights) -> None:
        """Store a new model; it is announced once it is stored."""
        self.weights = weights
        self.step += 1
        self.credit(ModelRef(self._config.peer, self.step, weights))
        self._requests.issue(partial(do.StoreModel, cid=weights.cid))

    def credit(self, model: ModelRef) -> None:
        """Credit a creator with its verified model, or this peer with its own, so that copies are recognised."""
        for copy in self._peer_book.credit(model):
            self._requests.record(AttemptFailed(copy.creator, copy.weights.cid, Reason.COPY))

    def model_stored(self, request: do.StoreModel) -> None:
        if self.weights and self.weights.cid == request.cid:
            self.published = ModelRef(self._config.peer, self.step, self.weights)
            self._requests.record(Published(self.step, request.cid))
            self.announce()

    def announce(self) -> None:
        """Announce the newest published model again; store the newest model if an earlier attempt failed."""
        if self.published:
            announcement = ModelAnnouncement(self._config.session, self.published)
            self._requests.emit(do.Announce(announcement))
        if self.weights and self.pending and not self._requests.waits_for(do.StoreModel):
            self._requests.issue(partial(do.StoreModel, cid=self.weights.cid))
