"""A peer's newest model, and its way into the store and to other peers."""

from collections.abc import Callable
from functools import partial

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol.decisions import AttemptFailed, Published
from learnae.protocol.defence_types import Recipients
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.hooks import Hooks
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.policies import Policy, Role
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, ModelRef, Parents, PeerId, Weights

REMEMBERED = 64  # models with which a new one is compared


class Publication:
    def __init__(self, config: PeerConfig, requests: Requests, peer_book: PeerBook, hooks: Hooks) -> None:
        self._config, self._requests, self._hooks = config, requests, hooks
        self._peer_book = peer_book
        self.weights: Weights | None = None  # of the newest model
        self._creator = config.peer  # of the newest model
        self.step = 0  # counts the peer's own models
        self.parents: Parents | None = None  # of the newest model, if it is an average
        self.published: ModelRef | None = None  # the newest model that the store has
        self._withheld = 0  # the step of its newest model that is not published
        self.cids: set[Cid] = set()  # of all models that were published
        self.readers: Recipients | None = None  # for which the newest announcement is sealed
        self._credited: dict[Cid, PeerId] = {}  # the last ``REMEMBERED`` verified and own models, and their creators

    @property
    def pending(self) -> bool:
        """Whether the store lacks the newest model."""
        return self.step > max(self.published.step if self.published else 0, self._withheld)

    def begin_with(self, weights: Weights, creator: PeerId | None) -> None:
        """Take a model that is not the peer's own as its newest one; the initial weights have no creator."""
        self.weights, self._creator = weights, creator or self._config.peer

    def publish(self, weights: Weights, remote: ModelRef | None = None) -> None:
        """Store a new model; it is announced once it is stored.  The peer's policy may keep it back."""
        self.parents = self._parents(remote) if remote else None
        self.weights, self._creator = weights, self._config.peer
        self.step += 1
        self.credit(ModelRef(self._config.peer, self.step, weights, self.parents))
        if self._hooks.publishes():
            self._requests.issue(self._store(weights.cid))
        else:
            self._withheld = self.step

    def adopt(self, weights: Weights, remote: ModelRef) -> None:
        """Publish an average with this model.  A provider has taken the model itself, and publishes nothing."""
        if self._config.role is Role.PROVIDER:
            self.begin_with(weights, remote.creator)
        else:
            self.publish(weights, remote)

    def _parents(self, remote: ModelRef) -> Parents | None:
        """What an average with this model announces; None if the peer conceals that it is one."""
        assert self.weights
        conceals = self._config.policy is Policy.CONCEALS_AVERAGES
        return None if conceals else Parents((self.weights.cid, remote.weights.cid), (self._creator, remote.creator))

    def credit(self, model: ModelRef) -> None:
        """Credit a creator with its verified model, or this peer with its own, so that copies are recognised."""
        if model.step:  # not the initial weights
            self._credited.setdefault(model.weights.cid, model.creator)
            if len(self._credited) > REMEMBERED:
                del self._credited[next(iter(self._credited))]
        for copy in self._peer_book.credit(model):
            self._requests.record(AttemptFailed(copy.creator, copy.weights.cid, Reason.COPY))

    def earlier(self, remote: ModelRef) -> tuple[Cid, ...]:
        """The models of others than its creator to which a remote model must not be similar, if that is forbidden."""
        forbidden = self._config.defence.similar is not None
        return tuple(cid for cid, creator in self._credited.items() if creator != remote.creator) if forbidden else ()

    def model_stored(self, request: do.StoreModel) -> None:
        if self.weights and self.weights.cid == request.cid:
            self.published = ModelRef(self._config.peer, self.step, self.weights, self.parents)
            self.cids.add(request.cid)
            self._requests.record(Published(self.step, request.cid, self.parents))
            self.announce()

    def announce(self) -> None:
        """Announce the newest published model again; store the newest model if an earlier attempt failed."""
        if self.published:
            announcement = ModelAnnouncement(self._config.session, self.published)
            self.readers = self._peer_book.readers if self._config.defence.sealed else None
            self._requests.emit(do.Announce(announcement, self.readers))
        if self.weights and self.pending and not self._requests.waits_for(do.StoreModel):
            self._requests.issue(self._store(self.weights.cid))

    def readers_may_have_changed(self) -> None:
        """Announce a sealed model again at once if it is to be sealed for others than before."""
        if self.readers is not None and self.readers != self._peer_book.readers:
            self.announce()

    def _store(self, cid: Cid) -> Callable[[int], do.StoreModel]:
        return partial(do.StoreModel, cid=cid, sealed=self._config.defence.sealed)
