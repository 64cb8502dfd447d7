"""Wait for a state, and never for a time."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")
HANG = 120.0  # s: a limit for tests that hang, far longer than a busy machine needs
PAUSE = 0.05  # s


def until(found: Callable[[], T], seconds: float = HANG) -> T:
    """What it finds, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing in {seconds:g} s, but {value!r}"
        Event().wait(PAUSE)
    return value
