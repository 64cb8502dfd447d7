"""Pauses Python's search for reference cycles while very many objects are made that stay in use."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 1_500_000  # blocks of memory: about 100 MB
_left = 0  # blocks that the last search of a pause has left, or that there were before the first pause


@contextmanager
def collector_paused() -> Iterator[None]:
    """In the body nothing but reference counts frees objects.

    Each search visits objects that were made before, so its share of the time grows with their number.  The cycles of
    earlier pauses are searched for when one begins with twice as many objects, if these are many: Python's own count
    does not contain them.
    """
    was_enabled = gc.isenabled()
    if was_enabled:
        _search_if_doubled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # move what was made to the oldest generation, without a search for cycles
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _search_if_doubled() -> None:
    global _left
    if not _left:
        _left = sys.getallocatedblocks()
    elif sys.getallocatedblocks() > max(2 * _left, MANY):
        gc.collect()
        _left = sys.getallocatedblocks()
