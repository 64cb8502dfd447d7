"""A peer's records on the board of whoever shows the session: each decision once, also if the peer dies in between."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from fastapi import FastAPI, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from tests.helpers.histories import GOOD

from learnae.backends.pods.event_client import follow
from learnae.records.history import PeerRestarted, Record
from learnae.web.api.server import listen, serving, url
from learnae.web.api.stream import After, LastEventId, record_events
from learnae.web.event_log import EventLog

DEADLINE = 60.0  # s
ANN = [record for record in GOOD.records if record.peer == "ann"]


class Life:
    """One life of a peer: what it has told so far."""

    def __init__(self, told: Sequence[Record]) -> None:
        self.board, self.asked = EventLog(), asyncio.Event()
        self.tell(told)

    def tell(self, told: Sequence[Record]) -> None:
        for record in told:
            self.board.add(record)

    @asynccontextmanager
    async def at(self, sock: socket.socket) -> AsyncIterator[None]:
        app = FastAPI()

        @app.get("/v1/events", response_class=EventSourceResponse)
        async def events(after: After = -1, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
            self.asked.set()
            async for event in record_events(self.board, after, last_event_id):
                yield event

        async with serving(app, sock):
            yield


async def heard(board: EventLog, count: int) -> None:
    async for number, _ in board.follow():
        if number + 1 == count:
            return


def test_a_peer_that_comes_back_and_tells_its_past_again_is_heard_once() -> None:
    past, news = ANN[:9], [Record(50.0, "ann", PeerRestarted()), *ANN[9:12]]
    again = [replace(record, t=record.t + 0.001) for record in past]

    async def conversation() -> None:
        board, sock = EventLog(), listen("127.0.0.1", 0)
        address, port = url(sock), sock.getsockname()[1]
        following = asyncio.create_task(follow("ann", address, board.add, print))
        async with Life(past).at(sock):
            await heard(board, len(past))
        second = Life(again[:5])  # it has not replayed everything yet
        async with second.at(listen("127.0.0.1", port)):
            await second.asked.wait()
            second.tell([*again[5:], *news])
            await heard(board, len(past) + len(news))
        following.cancel()
        assert board.records == [*past, *news]

    asyncio.run(asyncio.wait_for(conversation(), DEADLINE))


BOB = next(record for record in GOOD.records if record.peer == "bob")
SWARMS = next(record for record in GOOD.records if record.peer not in ("ann", "bob"))
NESTED = b"[" * 500


def event(data: bytes, number: int = 0) -> bytes:
    return b"data: " + data + b"\nid: %d\n\n" % number


@pytest.mark.parametrize(
    "attack",
    [
        event(BOB.line().encode()),
        event(SWARMS.line().encode()),
        event(replace(SWARMS, peer="ann").line().encode()),
        event(b"{}"),
        event(NESTED),
        b"data: " + bytes(2_000_000),
        b"data: \xff\xfe\n\n",
        event(ANN[0].line().encode()).replace(b"id: 0", b"id: many"),
    ],
)
def test_a_pod_that_streams_something_else_ends_only_its_own_part_of_the_page(attack: bytes) -> None:
    async def conversation() -> tuple[list[Record], list[str]]:
        board, said, sock = EventLog(), list[str](), listen("127.0.0.1", 0)
        address, app = url(sock), FastAPI()

        @app.get("/v1/events")
        async def events() -> Response:
            return Response(event(ANN[0].line().encode()) + attack)

        async with serving(app, sock):
            await follow("ann", address, board.add, said.append)
        return board.records, said

    records, said = asyncio.run(asyncio.wait_for(conversation(), DEADLINE))
    assert set(records) <= {ANN[0]}
    assert len(said) == 1 and "no more of ann" in said[0]


def test_a_pod_cannot_redirect_the_host() -> None:
    async def conversation() -> list[str]:
        sock, app, visited, asked = listen("127.0.0.1", 0), FastAPI(), list[str](), asyncio.Event()
        address = url(sock)

        @app.get("/v1/events")
        async def events() -> Response:
            visited.append("events")
            if len(visited) == 2:
                asked.set()
            return Response(status_code=307, headers={"Location": f"{address}/elsewhere"})

        @app.get("/elsewhere")
        async def elsewhere() -> None:
            visited.append("elsewhere")

        async with serving(app, sock):
            following = asyncio.create_task(follow("ann", address, EventLog().add, print))
            await asked.wait()
            following.cancel()
        return visited

    assert "elsewhere" not in asyncio.run(asyncio.wait_for(conversation(), DEADLINE))
