"""Asynchronous iterators: several as one, and one of what arrives in between."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


async def merge(streams: Sequence[AsyncIterator[T]]) -> AsyncGenerator[T, None]:
    """Yield the items of all streams as they arrive.  Closes the streams when it is closed."""
    waiting = {asyncio.ensure_future(anext(stream)): stream for stream in streams}
    try:
        while True:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                stream = waiting.pop(future)
                item = future.result()
                waiting[asyncio.ensure_future(anext(stream))] = stream
                yield item
    finally:
        for future in waiting:
            future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for stream in streams:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()


class Unread(Generic[T]):
    """Items that wait to be read, at most ``most``."""

    def __init__(self, most: int) -> None:
        self._items: asyncio.Queue[T | None] = asyncio.Queue(most)  # None: closed

    async def put(self, item: T) -> None:
        """Wait until there is room."""
        await self._items.put(item)

    def close(self) -> None:
        """End ``read``, even if there is no room.  Nobody may ``put`` any more."""
        if self._items.full():
            self._items.get_nowait()
        self._items.put_nowait(None)

    async def read(self) -> AsyncGenerator[T, None]:
        while (item := await self._items.get()) is not None:
            yield item
