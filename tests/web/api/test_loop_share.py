"""Requests have a share of the loop, by processor time: what is beyond it waits, and whoever has the token does not."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from learnae.web.api import loop_share
from learnae.web.api.guard import Guard, GuardMiddleware
from learnae.web.api.loop_share import BURST, SHARE, LoopShare

TOKEN = "a token of some length"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_taken_is_earned_back_at_the_share() -> None:
    clock = Clock()
    share = LoopShare(BURST, clock)
    assert share.use(BURST + 1.0) == pytest.approx(1.0)
    clock.now += 1.0 / SHARE
    assert share.use(0.0) == pytest.approx(0.0)
    clock.now += 1e6
    assert share.use(0.0) == -BURST  # no more than that is saved


async def status(share: LoopShare, authorization: bytes = b"") -> int:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    answers = list[int]()
    headers = [(b"host", b"127.0.0.1"), (b"authorization", authorization)]
    scope = {"type": "http", "path": "/v1/status", "headers": headers, "method": "GET"}
    await GuardMiddleware(app, Guard(TOKEN), share=share)(scope, receive, send)
    return answers[0]


def test_a_request_beyond_the_share_waits_and_is_refused_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_share, "MAX_WAIT", 0.05)
    share = LoopShare(BURST, Clock())
    assert asyncio.run(status(share)) == 200
    share.use(BURST)
    assert asyncio.run(status(share)) == 503
    assert asyncio.run(status(share, f"Bearer {TOKEN}".encode())) == 200


def test_a_request_that_waits_when_the_server_ends_is_answered() -> None:
    async def play() -> int:
        share = LoopShare(0.0, Clock())
        share.use(1.0)
        waiting = asyncio.create_task(status(share))
        await asyncio.sleep(0)
        waiting.cancel()
        return await waiting

    assert asyncio.run(play()) == 503
