"""What the live page shows, worked out for all who watch at once, in a thread, and only if something changed."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from learnae.adapters.http.board import Board
from learnae.core.types import PeerId
from learnae.history import History, Record, SessionBegan
from learnae.report import live

LEAST = 1.0  # s between two workings-out
SHARE = 0.1  # of the time at most is spent on it
TAIL = 500  # sentences that a new reader is sent


class PageState:
    """``computed`` counts the workings-out."""

    def __init__(
        self,
        board: Board,
        verdict: Callable[[], dict[str, Any] | None],
        mounted: frozenset[str],
        reported: Callable[[], bool],
    ) -> None:
        self.computed = 0
        self._board, self._verdict, self._mounted, self._reported = board, verdict, mounted, reported
        self._parts: dict[str, str] = {}
        self._of: object = None  # what the parts were worked out from
        self._due = 0.0
        self._lock = asyncio.Lock()
        self._names: dict[PeerId, str] = {}

    async def parts(self) -> dict[str, str]:
        """JSON by the part's name; what does not change stays equal."""
        async with self._lock:
            found, reported = self._verdict(), self._reported()
            of = (len(self._board.records), found is None, reported)
            began = time.monotonic()
            if of != self._of and began >= self._due:
                records = tuple(self._board.records)
                self._parts = await asyncio.to_thread(self._work_out, records, found, reported)
                self._of, self.computed = of, self.computed + 1
                ended = time.monotonic()
                self._due = max(began + LEAST, ended + (ended - began) * (1 - SHARE) / SHARE)
            return self._parts

    def log(self, at: int) -> tuple[list[dict[str, Any]], int]:
        """The last ``TAIL`` sentences from record ``at`` on, and the record to go on from."""
        records = self._board.records
        lines: list[dict[str, Any]] = []
        for number in range(len(records) - 1, at - 1, -1):
            if len(lines) == TAIL:
                break
            if line := self._line(records[number]):
                lines.append(line)
        return lines[::-1], len(records)

    def _line(self, record: Record) -> dict[str, Any] | None:
        if not self._names and self._board.records and isinstance(self._board.records[0].fact, SessionBegan):
            self._names = {entry.peer: entry.name for entry in self._board.records[0].fact.roster}
        return live.line(record, self._names)

    def _work_out(self, records: tuple[Record, ...], found: dict[str, Any] | None, reported: bool) -> dict[str, str]:
        parts = live.parts(History(records), found, self._mounted, reported)
        return {name: json.dumps(part, separators=(",", ":")) for name, part in parts.items()}
