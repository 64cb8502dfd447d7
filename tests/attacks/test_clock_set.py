"""The machine's wall clock is set back or forward by an hour in the middle of a live session."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.helpers.stages import Stage, all_of, leave

from learnae.analysis.checks import verdict
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import Moment, SessionClock, boot_digest

HOUR = 3600.0
SHORT = {"peers": 2, "linger": 0.15, "work": {"slices": 2, "patience": 3, "idle_after": 0.1}}
wall = time.time


def set_clock(monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    monkeypatch.setattr(time, "time", lambda: wall() + by)


def valid_and_in_order(stage: Stage) -> None:
    stage.end(EndedBy.QUIET)
    result = verdict(stage.history)
    assert result["verdict"] == "valid", result["checks"]
    assert 0 < stage.history.seconds < 15
    for name in stage.history.roster:
        times = [record.t for record in stage.history.records if record.peer == name]
        assert all(before <= after for before, after in pairwise(times))


def first_decisions_of(stage: Stage, name: str) -> Callable[[], bool]:
    return lambda: any(record.peer == name for record in stage.recording.records[5:])


@pytest.mark.parametrize("by", [-HOUR, HOUR])
def test_a_clock_that_is_set_in_mid_session_changes_nothing(
    staged: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, by: float
) -> None:
    stage = staged(**SHORT)
    stage.begin()

    async def play() -> list[str]:
        session = asyncio.create_task(all_of(stage.peers()))
        await stage.when(first_decisions_of(stage, "p00"))
        set_clock(monkeypatch, by)
        return await session

    assert asyncio.run(play()) == ["quiet"] * 2
    valid_and_in_order(stage)


@pytest.mark.parametrize(("by", "same_machine"), [(-HOUR, True), (HOUR, True), (-HOUR, False)])
def test_a_peer_that_is_restarted_after_the_clock_was_set_continues(
    staged: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, by: float, same_machine: bool
) -> None:
    """On another machine, the time that passed while the peer was down is lost to it; its own time never goes back."""
    if not boot_digest():
        monkeypatch.setattr("learnae.runtime.clocks.boot_digest", lambda: "this machine")
    zero = Moment.now() if same_machine else Moment(wall())
    stage = staged(**SHORT)
    stage.begin()

    async def play() -> list[str]:
        first, *others = stage.peers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.run()) for peer in others]
            leaving = group.create_task(first.run())
            await stage.when(first_decisions_of(stage, first.name))
            await leave(first, leaving)
            set_clock(monkeypatch, by)
            stage.clock = SessionClock(zero)
            tasks.append(group.create_task(stage.peer(first.name).run()))
        return [task.result() for task in tasks]

    assert asyncio.run(play()) == ["quiet"] * 2
    valid_and_in_order(stage)
