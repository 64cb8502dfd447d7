"""Processor time that is measured says nothing about what earlier tests keep in memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def small_heap() -> Iterator[None]:
    """Leave that out: a garbage collection meanwhile would search all of it."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
