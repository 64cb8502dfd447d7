"""Pauses Python's search for reference cycles while very many objects are made that stay in use."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """In the body nothing but reference counts frees objects.

    Each search visits objects that were made before, so its share of the time grows with their number.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # move what was made to the oldest generation, without a search for cycles
                gc.freeze()
                gc.unfreeze()
            gc.enable()
