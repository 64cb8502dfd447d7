"""Follows the event stream of one peer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import aiohttp

from learnae.records.history import Fact, History, Record

RETRY = 0.5  # s until a peer that does not answer is asked again
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=5.0)


async def follow(url: str, add: Callable[[Record], None]) -> None:
    """Pass on every record of one peer once, whatever happens to the connection; until cancelled.

    A peer that restarted streams its past again, numbered from 0 and with slightly different times: those records are
    left out.
    """
    last, passed, repeated = -1, Counter[Fact](), Counter[Fact]()
    async with aiohttp.ClientSession(timeout=STREAM) as client:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, ConnectionError):
                async with client.get(f"{url}/v1/events", params={"after": str(last)}) as response:
                    async for number, record in _records(response):
                        if number <= last:
                            repeated = passed.copy()
                        last = number
                        if repeated[record.fact]:
                            repeated[record.fact] -= 1
                            continue
                        passed[record.fact] += 1
                        add(record)
            await asyncio.sleep(RETRY)


async def _records(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, Record]]:
    """The records of an event stream: ``data`` and ``id`` lines, then an empty line."""
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
