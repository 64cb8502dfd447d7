"""Fault windows as Prometheus targets."""

import asyncio
import json
from pathlib import Path

from learnae.backends.compose.prometheus_targets import follow
from learnae.records.history import SWARM, Effect, Fact, FaultBegan, FaultEnded, FaultsPlanned, Record
from learnae.session.faults import FaultKind
from learnae.web.event_log import EventLog

CUT = FaultBegan(0, FaultKind.CUT, ("p00", "p02"), ())
CHAIN = FaultBegan(1, FaultKind.CHAIN_STOP, (), ())
WINDOWS = {0: {"fault": "cut", "hits": "p00 p02"}, 1: {"fault": "chain-stop", "hits": "chain"}}


def listed(folder: Path, *facts: Fact) -> list[object]:
    """The labels of the targets when all of that has happened."""
    (folder / "monitor").mkdir(exist_ok=True)
    board = EventLog()

    async def play() -> list[object]:
        task = asyncio.create_task(follow(board, folder))
        for fact in facts:
            board.add(Record(1.0, SWARM, fact))
        await asyncio.sleep(0)
        found = json.loads((folder / "monitor" / "faults.json").read_text())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert json.loads((folder / "monitor" / "faults.json").read_text()) == []
        return [each["labels"] for each in found]

    return asyncio.run(play())


def test_a_window_is_a_target_while_it_is_open_and_no_session_leaves_one(tmp_path: Path) -> None:
    assert listed(tmp_path, FaultsPlanned(2), CUT) == [WINDOWS[0]]
    assert listed(tmp_path, CUT, CHAIN) == [WINDOWS[0], WINDOWS[1]]
    assert listed(tmp_path, CUT, CHAIN, FaultEnded(0, Effect.APPLIED)) == [WINDOWS[1]]
    assert listed(tmp_path, CUT, CHAIN, FaultEnded(1, Effect.APPLIED), FaultEnded(0, Effect.APPLIED)) == []
