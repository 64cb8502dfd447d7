"""When the next unit of work may begin: the session sets a pace, and work does not run ahead of the network."""

from learnae.protocol import actions as do
from learnae.protocol.fetches import Fetches
from learnae.protocol.requests import Requests
from learnae.protocol.types import Timer


class Pace:
    def __init__(self, requests: Requests, fetches: Fetches) -> None:
        self._requests, self._fetches = requests, fetches
        self._began = self._ended = 0.0  # s: of the last unit
        self._not_before = 0.0  # s: of the next unit
        self._idle_since: float | None = None

    def unit_began(self) -> None:
        self._began = self._requests.now
        self.work_found()

    def work_found(self) -> None:
        self._idle_since = None

    def has_waited(self, seconds: float) -> bool:
        """Whether nothing could be begun for so long, and no model is expected; until then, a timer is set.

        In an outage it takes longer.
        """
        if self._idle_since is None:
            self._idle_since = self._requests.now
        waits = self._wait(self._idle_since + seconds + self._fetches.outage_wait)
        return not (waits or self._fetches.expected)

    def unit_ended(self, least: float) -> None:
        """``least``: seconds that the unit must last, with a pause if it was faster."""
        self._ended = self._requests.now
        self._not_before = self._began + least

    def pauses(self) -> bool:
        """Whether the last unit was too fast; then a timer is set for the end of the pause."""
        return self._wait(self._not_before)

    def waits_for_network(self, for_fetch: bool) -> bool:
        """Whether the newest model is not stored yet or, with ``for_fetch``, a model is on its way.

        Then a timer is set for the end of this: a fetch that is slow delays nothing more.
        """
        behind = for_fetch and self._fetches.due_soon or self._requests.waits_for(do.StoreModel)
        return behind and self._wait(self._ended + self._fetches.slow_after)

    def _wait(self, until: float) -> bool:
        left = until - self._requests.now
        if left > 0:
            self._requests.set_timer(Timer.WORK, left)
        return left > 0
