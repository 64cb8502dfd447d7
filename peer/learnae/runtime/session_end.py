"""When a session is over: one rule for the simulator, for the embedded swarm and for each live peer.  Pure."""

from dataclasses import dataclass

from learnae.records.outcome import EndedBy


@dataclass
class SessionEnd:
    """``linger``: s that all must stay quiet; infinite: quiet ends nothing.  ``max_duration``: s, whatever happens."""

    linger: float
    max_duration: float
    quiet_since: float | None = None

    def check(self, now: float, quiet: bool) -> EndedBy | None:
        """What ends the session now, or None.  ``quiet``: nobody has anything left to do, and all have joined."""
        if not quiet:
            self.quiet_since = None
        elif self.quiet_since is None:
            self.quiet_since = now
        if self.quiet_since is not None and now >= self.quiet_since + self.linger:
            return EndedBy.QUIET
        return EndedBy.MAX_DURATION if now >= self.max_duration else None

    @property
    def due(self) -> float:
        """When the session ends if nothing happens before."""
        quiet_until = float("inf") if self.quiet_since is None else self.quiet_since + self.linger
        return min(quiet_until, self.max_duration)
