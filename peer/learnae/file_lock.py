"""Files that one process holds at a time, for as long as it lives."""

from fcntl import LOCK_EX, LOCK_NB, flock
from typing import IO


def locked(file: IO[str]) -> bool:
    """By this process, from now on; False: by another."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True
