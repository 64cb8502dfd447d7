"""What anybody who can reach an API can send: work, memory, time and connections of a request are limited."""

import asyncio
import gc
import json
import resource
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from tests.helpers.apis import Asked
from tests.helpers.small_heap import small_heap
from tests.helpers.stages import Stage

from learnae.web.api import connections
from learnae.web.api.body_limits import MAX_BODY, MAX_MEMORY, MAX_OTHER_BODY, MAX_VALUES, VALUE_SIZE, BodyLimits
from learnae.web.api.connections import MAX_CONNECTIONS, RESERVED, LimitedConnection, max_connections
from learnae.web.api.guard import Guard, GuardMiddleware
from learnae.web.api.server import listen, serving

Staged = Callable[..., Stage]
JSON = {"Content-Type": "application/json"}
MEGABYTES = 20 << 20  # bytes that an attack may cost a peer


def table(cell: bytes, cells: int, width: int = 1_000) -> bytes:
    row = b"[" + b",".join([cell] * width) + b"]"
    return b'{"rows":[' + b",".join([row] * (cells // width)) + b"]}"


ATTACKS = {
    "350,000 wrong cells": (table(b'""', 349_000), 413),
    "130,000 wrong cells": (table(b'""', 130_000), 422),
    "130,000 cells that are not finite": (table(b"1e999", 130_000), 422),
    "60,000 unknown fields": (b"{" + b",".join(b'"%d":0' % number for number in range(60_000)) + b"}", 422),
    "65,000 empty rows": (b'{"rows":[' + b"[]," * 65_000 + b"[]]}", 422),
    "a megabyte of escapes": (b'"' + b'\\"' * 520_000 + b'"', 422),
    "100,000 levels": (b"[" * 100_000, 422),
    "100,000 levels in UTF-16": (("[" * 100_000).encode("utf-16-le"), 422),
    "100,000 levels in UTF-16 behind quotes": (
        '["\u225b",'.encode("utf-16") + ("[" * 100_000).encode("utf-16-le"),
        422,
    ),
    "400,000 digits": (b'{"rows":[[' + b"9" * 400_000 + b"]]}", 400),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_prediction_that_is_wrong_everywhere_costs_little(staged: Staged, attack: str) -> None:
    body, status = ATTACKS[attack]
    assert len(body) <= MAX_BODY

    async def play() -> None:
        asked = Asked(staged())
        await asked.post("/v1/predict", 422, content=b"{}", headers=JSON)  # modules are imported
        tracemalloc.start()
        try:
            answer = await asked.answer("POST", "/v1/predict", status, content=body, headers=JSON)
            assert tracemalloc.get_traced_memory()[1] < MEGABYTES
        finally:
            tracemalloc.stop()
        assert len(answer.content) < 1_000 and len(answer.json().get("errors", ())) <= 1

    asyncio.run(play())


def test_the_loop_of_all_peers_does_not_stand_for_a_wrong_prediction(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())

        async def cost(body: bytes, status: int) -> float:
            began = time.thread_time()
            await asked.answer("POST", "/v1/predict", status, content=body, headers=JSON)
            return time.thread_time() - began

        for body, status in ATTACKS.values():
            least = min([await cost(body, status) for _ in range(3)])  # each may meet a slow moment of the machine
            assert least < 1

    with small_heap():
        asyncio.run(play())


def test_a_command_has_no_large_body(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        for path in ("/v1/pause", "/v1/predict/more", "/v1/nothing"):
            await asked.post(path, 413, content=b" " * (MAX_OTHER_BODY + 1))

    asyncio.run(play())


class Receiver:
    """An ASGI app behind the limits; ``parts`` of a body, and then silence."""

    def __init__(self) -> None:
        self.limits = BodyLimits(body_time=0.05)

    async def send(self, *parts: bytes) -> int:
        waiting = list(parts)

        async def receive() -> dict[str, object]:
            if not waiting:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": waiting.pop(0), "more_body": True}

        answers: list[dict[str, object]] = []

        async def answer(message: object) -> None:
            assert isinstance(message, dict)
            answers.append(message)

        async def app(*_: object) -> None:
            raise AssertionError("an unfinished body reaches no app")

        middleware = GuardMiddleware(app, Guard(), self.limits)
        scope = {"type": "http", "path": "/v1/predict", "headers": [(b"host", b"127.0.0.1")], "method": "POST"}
        await middleware(scope, receive, answer)
        status = answers[0]["status"]
        assert isinstance(status, int)
        return status


def test_300_bodies_that_stop_one_byte_short_end_and_together_take_16_megabytes() -> None:
    async def play() -> None:
        receiver = Receiver()
        short = b" " * (MAX_BODY - 1)
        statuses = await asyncio.gather(*(receiver.send(short) for _ in range(300)))
        admitted = MAX_MEMORY // len(short)
        assert statuses.count(408) == admitted and statuses.count(503) == 300 - admitted
        assert await receiver.send(short) == 408  # the memory is free again

    asyncio.run(play())


def test_many_values_count_as_the_memory_that_they_take() -> None:
    async def play() -> None:
        receiver = Receiver()
        body = b"," * MAX_VALUES
        statuses = await asyncio.gather(*(receiver.send(body) for _ in range(20)))
        assert statuses.count(408) == MAX_MEMORY // (len(body) + VALUE_SIZE * MAX_VALUES)
        assert await receiver.send(body, b",") == 413

    asyncio.run(play())


def test_400_idle_connections_leave_descriptors_and_end(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_TIME", 0.5)

    async def play() -> None:
        sock = listen("127.0.0.1", 0)
        port = sock.getsockname()[1]
        async with serving(Asked(staged()).app, sock):
            opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(400)]
            half, slow = opened[0], opened[1]
            half[1].write(b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
            slow[1].write(b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nG")
            refused = asyncio.gather(*(_ended(reader) for reader, _ in opened[max_connections() + RESERVED :]))
            await asyncio.wait_for(refused, 60)
            await asyncio.wait_for(asyncio.gather(*(_ended(reader) for reader, _ in opened)), 60)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                assert (await client.get("/v1/status")).status_code == 200
            for _, writer in opened:
                writer.close()

    asyncio.run(play())


async def _ended(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except ConnectionError:
        pass


def test_connections_take_a_quarter_of_the_descriptors_at_most() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert max_connections() == min(MAX_CONNECTIONS, soft // 4)


def test_a_reader_of_events_and_a_prediction_of_many_parts_are_not_idle(
    staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Legal clients that are slower than the time for a request."""
    monkeypatch.setattr(connections, "REQUEST_TIME", 0.05)

    async def slowly(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10):
            await asyncio.sleep(0.05)
            yield body[start : start + 10]

    async def play() -> None:
        asked, sock = Asked(staged()), listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with serving(asked.app, sock), httpx.AsyncClient(base_url=url) as client:
            body = json.dumps({"rows": [[0.25] * 10]}).encode()
            answer = await client.post("/v1/predict", content=slowly(body), headers=JSON)
            assert answer.status_code == 503 and "no model yet" in answer.text  # the body was read
            async with client.stream("GET", "/v1/events") as events:
                await asyncio.sleep(0.3)
                asked.inside.end()
                assert events.status_code == 200 and await events.aread() is not None

    asyncio.run(play())


def test_connections_that_end_at_once_leave_nothing_in_memory(staged: Staged) -> None:
    async def play() -> None:
        sock = listen("127.0.0.1", 0)
        async with serving(Asked(staged()).app, sock):
            for _ in range(300):
                _, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
                writer.transport.abort()
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}") as client:
                assert (await client.get("/v1/status")).status_code == 200
            gc.collect()
            assert sum(type(item) is LimitedConnection for item in gc.get_objects()) < 100

    asyncio.run(play())
