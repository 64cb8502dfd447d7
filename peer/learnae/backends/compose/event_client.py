"""A peer's event stream, onto the board of whoever shows the session."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp

from learnae.records.history import Fact, History, Record
from learnae.web.event_log import EventLog

AGAIN = 0.5  # s until a peer that does not answer is asked again
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=5.0)


async def follow(url: str, board: EventLog) -> None:
    """Everything that one peer decides, once, whatever happens to the connection; until cancelled.

    A peer that restarted tells its past again, counted from 0 and timed a little differently: that is left out.
    """
    seen, told, again = -1, Counter[Fact](), Counter[Fact]()
    async with aiohttp.ClientSession(timeout=STREAM) as client:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, ConnectionError):
                async with client.get(f"{url}/v1/events", params={"after": str(seen)}) as response:
                    async for number, record in _records(response):
                        if number <= seen:
                            again = told.copy()
                        seen = number
                        if again[record.fact]:
                            again[record.fact] -= 1
                            continue
                        told[record.fact] += 1
                        board.add(record)
            await asyncio.sleep(AGAIN)


async def _records(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, Record]]:
    """Of an event stream: ``data`` and ``id`` lines, an empty one after each event."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields and "id" in fields:
            for record in History.parse([fields["data"]]).records:
                yield int(fields["id"]), record
            fields = {}
