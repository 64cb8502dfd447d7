"""An observer that keeps a session's records and lets any number of readers follow them.

    log = EventLog()                      # observers=[log.observe]
    async for number, record in log.follow(after=last): ...

One event loop owns it.  Each reader has its own position, so that a slow one delays no other.
"""

import asyncio
from collections.abc import AsyncIterator

from learnae.records.history import Fact, Record


class EventLog:
    """``records`` are numbered from 0 and never change."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.closed = False
        self._added = asyncio.Event()

    def observe(self, now: float, peer: str, item: Fact) -> None:
        self.add(Record(now, peer, item))

    def add(self, record: Record) -> None:
        self.records.append(record)
        self._wake()

    def close(self) -> None:
        """No more records: followers end."""
        self.closed = True
        self._wake()

    async def follow(self, after: int = -1) -> AsyncIterator[tuple[int, Record]]:
        """Every record after number ``after``, including future ones."""
        number = after + 1
        while True:
            while number < len(self.records):
                yield number, self.records[number]
                number += 1
            if self.closed:
                return
            await self._added.wait()

    def _wake(self) -> None:
        """Wake all waiting followers; later ones wait for the next record."""
        self._added.set()
        self._added = asyncio.Event()
