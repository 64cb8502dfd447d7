"""What the live page shows, worked out for all who watch at once, in a thread, and only if something changed."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from learnae.protocol.types import PeerId
from learnae.records.history import History, Record, SessionBegan
from learnae.web.event_log import EventLog
from learnae.web.live_page.parts import log_line, page_parts

LEAST = 1.0  # s from the start of one working-out to the next
IDLE = 9  # times as long as a working-out took, nothing is worked out after it
TAIL = 500  # sentences that a new reader is sent

Found = dict[str, Any]


class PageState:
    """``computed`` counts the workings-out: none is made unless somebody asks."""

    def __init__(
        self,
        board: EventLog,
        verdict: Callable[[], Found | None] = lambda: None,
        reported: Callable[[], bool] = lambda: False,
        apis: Callable[[], Mapping[str, str]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.computed = 0
        self._board, self._verdict, self._reported, self._apis = board, verdict, reported, apis
        self._clock, self._due = clock, clock()
        self._parts: dict[str, str] = {}
        self._seen: tuple[int, bool, bool] | None = None  # what the parts were worked out from
        self._lock = asyncio.Lock()

    async def parts(self) -> dict[str, str]:
        """JSON by the part's name; a part that does not change stays equal."""
        async with self._lock:
            found, reported, began = self._verdict(), self._reported(), self._clock()
            seen = (len(self._board.records), found is not None, reported)
            if seen != self._seen and began >= self._due:
                records = tuple(self._board.records)
                self._parts = await asyncio.to_thread(self._work_out, records, found, reported)
                self._seen, self.computed = seen, self.computed + 1
                ended = self._clock()
                self._due = max(began + LEAST, ended + IDLE * (ended - began))
            return self._parts

    def log(self, at: int) -> tuple[list[dict[str, str]], int]:
        """The last sentences from record ``at`` on, ``TAIL`` of them at most, and the record to go on from."""
        records, lines = self._board.records, list[dict[str, str]]()
        names = self._names()
        for number in range(len(records) - 1, at - 1, -1):
            if told := log_line(records[number], names):
                lines.append(told)
                if len(lines) == TAIL:
                    break
        return lines[::-1], len(records)

    def _names(self) -> dict[PeerId, str]:
        began = next((each.fact for each in self._board.records if isinstance(each.fact, SessionBegan)), None)
        return {entry.peer: entry.name for entry in began.roster} if began else {}

    def _work_out(self, records: tuple[Record, ...], found: Found | None, reported: bool) -> dict[str, str]:
        shown = page_parts(History(records), found, reported, self._apis())
        return {name: json.dumps(part, separators=(",", ":")) for name, part in shown.items()}
