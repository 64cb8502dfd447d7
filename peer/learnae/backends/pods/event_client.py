"""Follows the event stream of one peer, which may send anything."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import get_args

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from learnae.errors import InputError
from learnae.protocol.decisions import Decision
from learnae.records.history import Fact, History, PeerRestarted, Record

RETRY = 0.5  # s until a peer that does not answer is asked again
MAX_RECORDS = 200_000  # that are kept of one peer
OWN_FACTS = (*get_args(Decision), PeerRestarted)
STREAM = aiohttp.ClientTimeout(total=None, sock_connect=5.0)


async def follow(name: str, url: str, add: Callable[[Record], None], say: Callable[[str], None]) -> None:
    """As ``_follow``.  A peer that sends something else is left out from then on, and the others are not concerned."""
    try:
        await _follow(name, url, add)
    except (InputError, ValueError, RecursionError, HttpProcessingError) as error:
        reason = error if isinstance(error, InputError) else "it is not a stream of records"
        say(f"The live page shows no more of {name}, whose event stream is damaged ({reason}).")


async def _follow(name: str, url: str, add: Callable[[Record], None]) -> None:
    """Pass on every record of one peer once, whatever happens to the connection; until cancelled.

    A peer that restarted streams its past again, numbered from 0 and with slightly different times: those records are
    left out.  Raises InputError, ValueError, RecursionError, HttpProcessingError (a line is too long).
    """
    last, kept, passed, repeated = -1, 0, Counter[Fact](), Counter[Fact]()
    async with aiohttp.ClientSession(timeout=STREAM, auto_decompress=False) as client:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, ConnectionError):
                request = client.get(f"{url}/v1/events", params={"after": str(last)}, allow_redirects=False)
                async with request as response:
                    async for number, record in _records(response):
                        if record.peer != name or not isinstance(record.fact, OWN_FACTS):
                            raise InputError("a record that is not its own")
                        if kept == MAX_RECORDS:
                            raise InputError(f"more than {MAX_RECORDS} records")
                        if number <= last:
                            repeated = passed.copy()
                        last = number
                        if repeated[record.fact]:
                            repeated[record.fact] -= 1
                            continue
                        passed[record.fact] += 1
                        kept += 1
                        add(record)
            await asyncio.sleep(RETRY)


async def _records(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, Record]]:
    """The records of an event stream: ``data`` and ``id`` lines, then an empty line."""
    fields: dict[str, str] = {}
    async for raw in response.content:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(":")
            if name in ("data", "id"):
                fields[name] = value.removeprefix(" ")
        elif "data" in fields and "id" in fields:
            parsed = History.parse([fields["data"]])
            if parsed.truncated:
                raise InputError("a record is not JSON")
            for record in parsed.records:
                yield int(fields["id"]), record
            fields = {}
