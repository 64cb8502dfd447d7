"""The current content of the live page, computed once for all readers, in a thread, and only after a change."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from learnae.protocol.types import PeerId
from learnae.records.history import History, Record, SessionBegan
from learnae.web.event_log import EventLog
from learnae.web.live_page.parts import log_line, page_parts

MIN_INTERVAL = 1.0  # s from the start of one computation to the next
IDLE_FACTOR = 9  # after a computation nothing is computed for this many times its duration
LOG_LINES = 500  # lines that a new reader receives

Verdict = dict[str, Any]


class PageState:
    """Nothing is computed unless somebody asks; ``computed`` counts the computations."""

    def __init__(
        self,
        board: EventLog,
        verdict: Callable[[], Verdict | None] = lambda: None,
        has_report: Callable[[], bool] = lambda: False,
        apis: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.computed = 0
        self._board, self._clock = board, clock
        self._verdict, self._has_report, self._apis = verdict, has_report, apis
        self._due = clock()
        self._history = History(())
        self._parts: dict[str, str] = {}
        self._computed_from: tuple[int, bool, bool] | None = None  # records, verdict and report at the time
        self._lock = asyncio.Lock()
        self._computing = threading.Lock()  # the thread of a reader that has left still computes

    async def parts(self) -> dict[str, str]:
        """JSON by the part's name; a part that does not change stays equal."""
        async with self._lock:
            verdict, has_report, began = self._verdict(), self._has_report(), self._clock()
            source = (len(self._board.records), verdict is not None, has_report)
            if source != self._computed_from and began >= self._due:
                records = tuple(self._board.records)
                self._parts = await asyncio.to_thread(self._compute, records, verdict, has_report)
                self._computed_from = source
                self.computed += 1
                ended = self._clock()
                self._due = max(began + MIN_INTERVAL, ended + IDLE_FACTOR * (ended - began))
            return self._parts

    def log(self, start: int) -> tuple[list[dict[str, str]], int]:
        """The last lines since record ``start``, ``LOG_LINES`` at most, and the record to continue from."""
        records, names = self._board.records, self._names()
        lines: list[dict[str, str]] = []
        for number in range(len(records) - 1, start - 1, -1):
            if line := log_line(records[number], names):
                lines.append(line)
                if len(lines) == LOG_LINES:
                    break
        return lines[::-1], len(records)

    def _names(self) -> dict[PeerId, str]:
        began = next((record.fact for record in self._board.records if isinstance(record.fact, SessionBegan)), None)
        return {entry.peer: entry.name for entry in began.roster} if began else {}

    def _compute(self, records: tuple[Record, ...], verdict: Verdict | None, has_report: bool) -> dict[str, str]:
        with self._computing:
            self._history = self._history.grown(records)
            parts = page_parts(self._history, verdict, has_report, self._apis())
        return {name: json.dumps(part, separators=(",", ":")) for name, part in parts.items()}
