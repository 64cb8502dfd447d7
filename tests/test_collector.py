"""Pauses of Python's collector."""

import gc
import sys
from collections.abc import Iterator

import pytest

from learnae import collector
from learnae.collector import collector_paused


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(collector, "_left", 0)
    yield
    gc.unfreeze()
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


def test_what_is_made_in_a_pause_joins_the_oldest_generation_without_a_search() -> None:
    gc.enable()
    searches: list[str] = []
    gc.callbacks.append(lambda phase, info: searches.append(phase))
    try:
        with collector_paused():
            made = [[number] for number in range(10_000)]
        oldest = {id(item) for item in gc.get_objects(generation=2)}
    finally:
        gc.callbacks.pop()
    assert {id(item) for item in made} <= oldest
    assert not searches
    assert gc.get_freeze_count() == 0


def test_what_was_frozen_stays_frozen() -> None:
    gc.enable()
    with collector_paused():
        gc.freeze()
    assert gc.get_freeze_count()


def test_many_pauses_do_not_keep_all_of_their_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "MANY", 0)
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: len(gc.get_objects()))  # a block is not always an object
    gc.enable()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(8):
        with collector_paused():
            cycle: list[object] = [[] for _ in range(before)]
            cycle.append(cycle)
        del cycle
    assert len(gc.get_objects()) < 4 * before
