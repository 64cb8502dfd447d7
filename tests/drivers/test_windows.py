"""Which fault windows Prometheus is told of."""

import asyncio
import json
from pathlib import Path

from learnae.adapters.http.board import Board
from learnae.drivers.compose.windows import told
from learnae.faults import Kind
from learnae.history import SWARM, Effect, FaultBegan, FaultEnded, FaultsPlanned, HistoryFact, Record

CUT = FaultBegan(0, Kind.CUT, ("p00", "p02"), ())
CHAIN = FaultBegan(1, Kind.CHAIN_STOP, (), ())
WINDOWS = {0: {"fault": "cut", "hits": "p00 p02"}, 1: {"fault": "chain-stop", "hits": "chain"}}


def listed(folder: Path, *facts: HistoryFact) -> list[object]:
    """The labels of the targets when all of that has happened."""
    (folder / "monitor").mkdir(exist_ok=True)
    board = Board()

    async def play() -> list[object]:
        task = asyncio.create_task(told(board, folder))
        for fact in facts:
            board.add(Record(1.0, SWARM, fact))
        await asyncio.sleep(0)
        found = json.loads((folder / "monitor" / "faults.json").read_text())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert json.loads((folder / "monitor" / "faults.json").read_text()) == []
        return [each["labels"] for each in found]

    return asyncio.run(play())


def test_a_window_is_a_target_as_long_as_it_is_open_and_no_session_leaves_one(tmp_path: Path) -> None:
    assert listed(tmp_path, FaultsPlanned(2), CUT) == [WINDOWS[0]]
    assert listed(tmp_path, CUT, CHAIN) == [WINDOWS[0], WINDOWS[1]]
    assert listed(tmp_path, CUT, CHAIN, FaultEnded(0, Effect.APPLIED)) == [WINDOWS[1]]
    assert listed(tmp_path, CUT, CHAIN, FaultEnded(1, Effect.APPLIED), FaultEnded(0, Effect.APPLIED)) == []
