"""``ports.Feed`` in memory: the feed of one process.  Calls answer at once, except the iterator of ``follow``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from learnae.errors import PortError, Reason
from learnae.messages.wire import MAX_READING


@dataclass
class MemoryBroker:
    """Passes each message on to all that follow.  ``down``: it confirms nothing."""

    down: bool = False
    following: list[Callable[[bytes], None]] = field(default_factory=list)


@dataclass(eq=False)
class MemoryFeed:
    """One connection to the broker."""

    broker: MemoryBroker
    _received: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)  # None: closed
    _closed: bool = False

    @property
    def nodes_up(self) -> int:
        return int(self._received.put_nowait in self.broker.following and not self.broker.down)

    async def publish(self, message: bytes) -> None:
        if len(message) > MAX_READING:
            raise PortError(Reason.OVERSIZE, f"{len(message)} bytes")
        if self.broker.down or self._closed:
            raise PortError(Reason.UNREACHABLE, "the feed in memory is closed")
        for receive in self.broker.following:
            receive(message)

    async def follow(self) -> AsyncIterator[bytes]:
        if not self._closed:
            self.broker.following.append(self._received.put_nowait)
        return self._messages()

    async def close(self) -> None:
        if self._received.put_nowait in self.broker.following:
            self.broker.following.remove(self._received.put_nowait)
        self._closed = True
        self._received.put_nowait(None)

    async def _messages(self) -> AsyncIterator[bytes]:
        while (message := await self._received.get()) is not None:
            yield message
