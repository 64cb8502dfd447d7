"""Pauses of Python's collector."""

import gc
from collections.abc import Iterator

import pytest

from learnae.collector import collector_paused


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    gc.enable()


def test_the_collector_runs_again_after_a_pause_even_if_the_body_raises() -> None:
    gc.enable()
    with pytest.raises(KeyError), collector_paused():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()
