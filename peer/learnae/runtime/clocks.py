"""Session time: real for live peers, virtual for the simulator."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class SessionClock:
    """Session seconds in real time.  ``began``: Unix seconds at second 0, the same for all peers of a session."""

    began: float

    def __call__(self) -> float:
        return time.time() - self.began


@dataclass
class VirtualClock:
    """Session seconds that pass only when the simulator says so."""

    now: float = 0.0
