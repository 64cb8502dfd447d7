"""How much of the event loop requests may take: in it, one peer works, or all peers of a session in one process."""

import asyncio
import time
from collections.abc import Callable

SHARE = 0.05  # of the loop's time in the long run
BURST = 2.0  # s of processor time in addition, which a quiet server has saved
EXPECTED = 0.02  # s of a request, as long as it is not over
CONNECTION = 0.004  # s that accepting and parsing a request takes, which nobody can count
MAX_WAIT = 10.0  # s


class LoopShare:
    """What the requests of one server have taken.  Requests beyond the share wait, so that their senders wait, too."""

    def __init__(self, burst: float = BURST, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._clock = burst, clock
        self._used, self._at = 0.0, clock()

    async def admitted(self) -> bool:
        """Wait for a turn; whether it came in time.  The caller reports to ``use`` what its request takes."""
        until = time.monotonic() + MAX_WAIT
        while (excess := self.use(0.0)) > 0:
            left = until - time.monotonic()
            if left <= 0:
                return False
            try:
                await asyncio.sleep(min(excess / SHARE, left))
            except asyncio.CancelledError:  # the server ends, and this request can still be answered
                return False
        return True

    def use(self, seconds: float) -> float:
        """Count processor time; return how much was taken in excess."""
        now = self._clock()
        self._used = max(0.0, self._used - (now - self._at) * SHARE) + seconds
        self._at = now
        return self._used - self._burst
