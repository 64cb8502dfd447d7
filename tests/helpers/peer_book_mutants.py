"""Ways to break what a peer believes of other peers and their models.  ``protocol_mutants`` lists them."""

from dataclasses import replace
from functools import partial
from itertools import count

import pytest

from learnae.protocol.creators import Creators
from learnae.protocol.events import Announcement, ModelAnnouncement
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.types import Cid, ModelRef, PeerId, Weights
from learnae.runtime.simulated_peer import SimulatedPeer
from learnae.runtime.simulator import Simulator

Patch = pytest.MonkeyPatch


def front_runs(simulator: Simulator) -> None:
    """Somebody without blocks announces every digest before the peer that made it."""
    announce, eve, step = simulator._announce, PeerId("eve"), count(1)

    def forge(host: SimulatedPeer, announcement: Announcement) -> None:
        if isinstance(announcement, ModelAnnouncement):
            forged = Weights(Cid(f"forged {announcement.model.weights.cid}"), announcement.model.weights.digest)
            model = replace(announcement, model=ModelRef(eve, next(step), forged))
            for other in host.listeners:
                simulator.after(0.0, partial(simulator.receive, other, eve, model))
        announce(host, announcement)

    simulator._announce = forge  # type: ignore[method-assign]


def believes_announcements(patch: Patch) -> None:
    def believe(self: Creators, model: ModelRef, now: float) -> None:
        self.credited.setdefault(model.weights.digest, model.creator)

    patch.setattr(Creators, "announce", believe)


def credits_the_first_that_arrives(patch: Patch) -> None:
    """The order of announcements does not count, so that a copy may be tried before its original."""
    patch.setattr(Creators, "first", lambda self, model, now, available: model)


def lets_strangers_displace_useful_peers(patch: Patch) -> None:
    patch.setattr(PeerBook, "_protected", lambda self: set())


def takes_a_repetition_for_news(patch: Patch) -> None:
    """An announcement heard again is a model to try again, and wakes."""
    receive = PeerBook.receive

    def want(self: PeerBook, announcement: ModelAnnouncement, now: float, news: bool = False) -> None:
        receive(self, announcement, now, news)
        self.peers[announcement.model.creator].wanted = True

    patch.setattr(PeerBook, "screen_model", lambda self, model: None)
    patch.setattr(PeerBook, "receive", want)
    patch.setattr(PeerBook, "is_settled", lambda self, model: False)
