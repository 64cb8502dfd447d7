"""When a session is over: one rule for the simulator, for the embedded swarm and for containers.  Pure.

A session ends as soon as it is settled: nothing can happen any more.  Who cannot tell that, because a peer is down, an
announcement was lost or a model is withheld, waits until all have been quiet for ``linger`` seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from learnae.protocol.rest import Rest
from learnae.records.outcome import EndedBy


def settled(peers: Iterable[tuple[Rest | None, Iterable[Rest | None]]]) -> bool:
    """Whether all peers are at rest and have received all announcements.

    ``peers``: the report of each peer, with those of the peers that receive its announcements.
    """
    return all(
        peer is not None and all(other is not None and other.has_received(peer) for other in listeners)
        for peer, listeners in peers
    )


@dataclass
class SessionEnd:
    """``linger``: s that all must stay quiet; infinite: quiet ends nothing.  ``max_duration``: s, whatever happens.

    ``faults``: begin and end of planned faults.  One that has begun is waited for, and then for ``linger`` seconds in
    which peers notice what it did, even if all peers are quiet or settled.
    """

    linger: float
    max_duration: float
    quiet_since: float | None = None
    faults: Sequence[tuple[float, float]] = ()  # in order of time

    def check(self, now: float, quiet: bool, settled: bool = False) -> EndedBy | None:
        """What ends the session now, or None.

        ``quiet``: nobody has anything left to do, and all have joined.  ``settled``: nor can that change.
        """
        if not quiet:
            self.quiet_since = None
        elif self.quiet_since is None:
            self.quiet_since = now
        if now >= self._quiet_until or (settled and now >= self._after_faults(now)):
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
        return self._after_faults(self.quiet_since + self.linger)

    def _after_faults(self, end: float) -> float:
        """``end``, or when the planned faults that have begun by then are over and noticed."""
        for fault_begin, fault_end in self.faults:
            if fault_begin <= end:
                end = max(end, fault_end + self.linger)
        return end
