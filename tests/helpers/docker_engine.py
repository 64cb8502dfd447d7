"""Whether tests of containers can run here."""

from functools import cache

import pytest

from learnae.backends.compose import engine

TRIES = 4  # an engine that is busy may not answer in time


def require_engine() -> None:
    """Skip the test if there is none."""
    if lacks := _lacking():
        pytest.skip(lacks)


@cache
def _lacking() -> str | None:
    for _ in range(TRIES):
        if (lacks := engine.missing()) is None:
            return None
    return lacks
