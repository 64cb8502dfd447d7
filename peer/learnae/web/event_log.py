"""An observer that keeps a session's records and lets any number of readers follow them.

    board = Board()                      # observers=[board.observe]
    async for number, record in board.follow(after=seen): ...

One event loop owns it.  A reader that is slow holds up nobody: it reads on from where it was.
"""

import asyncio
from collections.abc import AsyncIterator

from learnae.records.history import Fact, Record


class EventLog:
    """``records`` are numbered from 0 and never change."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False
        self._news = asyncio.Event()

    def observe(self, now: float, peer: str, item: Fact) -> None:
        self.add(Record(now, peer, item))

    def add(self, record: Record) -> None:
        self.records.append(record)
        self._wake()

    def close(self) -> None:
        """There will be no more: followers end."""
        self.closed = True
        self._wake()

    async def follow(self, after: int = -1) -> AsyncIterator[tuple[int, Record]]:
        """Every record later than number ``after``, those to come included."""
        at = after + 1
        while True:
            while at < len(self.records):
                yield at, self.records[at]
                at += 1
            if self.closed:
                return
            await self._news.wait()

    def _wake(self) -> None:
        """Whoever waits now is woken; whoever comes later waits for the next."""
        self._news.set()
        self._news = asyncio.Event()
