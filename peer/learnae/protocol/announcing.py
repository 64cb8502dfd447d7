"""When a peer repeats its announcements: periodically, and soon after it has met a new peer, so that it catches up."""

from learnae.protocol.payments import Payments
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.training import Training
from learnae.protocol.types import Timer

GREETING_DELAY = 1.0  # s until announcements are repeated for a new peer


class Announcing:
    def __init__(self, config: PeerConfig, requests: Requests, training: Training, payments: Payments) -> None:
        self._every, self._requests = config.network.announce_every, requests
        self._sources = payments.registration, training.publication, training.rows

    def begin(self) -> None:
        self._requests.set_timer(Timer.ANNOUNCE, self._every)

    def repeat(self) -> None:
        """Announce the present state.  Announcements are idempotent."""
        for source in self._sources:
            source.announce()
        self.begin()

    def greet(self) -> None:
        due = self._requests.due(Timer.ANNOUNCE)
        if due is None or due > self._requests.now + GREETING_DELAY:
            self._requests.set_timer(Timer.ANNOUNCE, GREETING_DELAY)
