"""Streams that are read together, and what waits to be read."""

import asyncio
from collections.abc import AsyncGenerator

from learnae.async_streams import Unread, merge


def test_streams_are_closed_with_the_stream_that_merges_them() -> None:
    closed: list[str] = []

    async def endless(name: str) -> AsyncGenerator[str, None]:
        try:
            while True:
                yield name
        finally:
            closed.append(name)

    async def story() -> None:
        merged = merge([endless("a"), endless("b")])
        await anext(merged)
        await asyncio.sleep(0)  # the next items are there, and nobody waits for them
        await merged.aclose()
        assert sorted(closed) == ["a", "b"]

    asyncio.run(story())


def test_no_more_items_wait_than_there_is_room_for() -> None:
    async def story() -> None:
        unread = Unread[int](2)
        writing = asyncio.ensure_future(_write(unread, 3))
        await asyncio.wait([writing], timeout=0.01)
        assert not writing.done()
        reading = unread.read()
        assert [await anext(reading) for _ in range(3)] == [0, 1, 2]
        await writing

    asyncio.run(story())


def test_a_reader_ends_when_it_is_closed_although_there_is_no_room() -> None:
    async def story() -> list[int]:
        unread = Unread[int](2)
        await _write(unread, 2)
        unread.close()
        unread.close()
        return [item async for item in unread.read()]

    assert asyncio.run(story()) == []


async def _write(unread: Unread[int], count: int) -> None:
    for number in range(count):
        await unread.put(number)
