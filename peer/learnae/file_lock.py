"""Exclusive locks on files, held by one process until it closes the file or ends."""

from fcntl import LOCK_EX, LOCK_NB, flock
from typing import IO


def try_lock(file: IO[str] | int) -> bool:
    """Lock the file for this process; False if another process holds the lock."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True


def wait_for_lock(file: IO[str]) -> None:
    """Lock the file for this process as soon as no other process holds the lock."""
    flock(file, LOCK_EX)
