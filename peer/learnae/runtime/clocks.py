"""Session time: real for live peers, virtual for the simulator.

The wall clock can be set while a session runs, so no duration is measured with it.  It only says where second 0 is, and
only to machines that cannot know that better: processes on the machine that set second 0, including containers and
restarted peers, share its uptime.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# Seconds since this machine started; unlike the monotonic clock, where possible, it does not stop while it sleeps.
uptime: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment on the wall clock (Unix seconds) and as the uptime of one machine, which ``boot`` identifies."""

    unix: float
    uptime: float = 0.0
    boot: str = ""  # unknown: only the wall clock counts

    @staticmethod
    def now() -> "Moment":
        return Moment(time.time(), uptime(), boot_digest())


class SessionClock:
    """Session seconds in real time.  ``zero``: second 0, the same for all peers of a session."""

    def __init__(self, zero: Moment) -> None:
        self.began = zero.unix
        known_here = zero.boot and zero.boot == boot_digest()
        self._zero = zero.uptime if known_here else uptime() - (time.time() - zero.unix)

    def __call__(self) -> float:
        return uptime() - self._zero

    def catch_up(self, moment: float) -> None:
        """Continue from ``moment`` if it is still ahead, because the wall clock was set back before this process."""
        self._zero = min(self._zero, uptime() - moment)


def boot_digest() -> str:
    """Identifies this start of this machine, without naming it; empty if that is unknown."""
    try:
        return hashlib.sha256(BOOT_ID.read_bytes()).hexdigest()[:16]
    except OSError:
        return ""


@dataclass
class VirtualClock:
    """Session seconds that pass only when the simulator says so."""

    now: float = 0.0
