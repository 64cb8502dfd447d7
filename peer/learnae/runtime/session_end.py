"""When a session is over: one rule for the simulator, for the embedded swarm and for each live peer.  Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from learnae.records.outcome import EndedBy


@dataclass
class SessionEnd:
    """``linger``: s that all must stay quiet; infinite: quiet ends nothing.  ``max_duration``: s, whatever happens.

    ``faults``: begin and end of planned faults.  One that has begun is waited for, even if all peers are quiet.
    """

    linger: float
    max_duration: float
    quiet_since: float | None = None
    faults: Sequence[tuple[float, float]] = ()  # in order of time

    def check(self, now: float, quiet: bool) -> EndedBy | None:
        """What ends the session now, or None.  ``quiet``: nobody has anything left to do, and all have joined."""
        if not quiet:
            self.quiet_since = None
        elif self.quiet_since is None:
            self.quiet_since = now
        if now >= self._quiet_until:
            return EndedBy.QUIET
        return EndedBy.MAX_DURATION if now >= self.max_duration else None

    @property
    def due(self) -> float:
        """When the session ends if nothing happens before."""
        return min(self._quiet_until, self.max_duration)

    @property
    def _quiet_until(self) -> float:
        if self.quiet_since is None:
            return float("inf")
        end = self.quiet_since + self.linger
        for fault_begin, fault_end in self.faults:
            if fault_begin <= end:
                end = max(end, fault_end + self.linger)
        return end
