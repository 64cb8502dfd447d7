"""The cost of requests for metrics is the processor time of those requests and of nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import thread_time

import pytest
from starlette.types import Receive, Scope, Send
from tests.helpers.small_heap import small_heap

from learnae.web.api.scrape_cost import ScrapeCost

Step = Callable[[], Awaitable[None]]
BUSY = 0.05  # s of processor


def busy() -> None:
    end = thread_time() + BUSY
    while thread_time() < end:
        pass


async def ask(path: str, step: Step, spent: list[float]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await step()

    async def unused() -> None: ...

    await ScrapeCost(app, spent.append)({"type": "http", "path": path}, unused, lambda message: unused())  # type: ignore[arg-type]


async def working() -> None:
    busy()


@pytest.mark.parametrize("path", ["/metrics", "/kubo/metrics", "/peers/p00/metrics"])
def test_a_request_for_metrics_is_weighed(path: str) -> None:
    spent: list[float] = []
    asyncio.run(ask(path, working, spent))
    assert sum(spent) >= BUSY


def test_another_request_is_not() -> None:
    spent: list[float] = []
    asyncio.run(ask("/v1/status", working, spent))
    assert spent == []


def test_what_others_do_while_it_waits_is_not_its_cost() -> None:
    async def play() -> float:
        gate, spent = asyncio.Event(), list[float]()
        asked = asyncio.create_task(ask("/metrics", gate.wait, spent))  # type: ignore[arg-type]
        await asyncio.create_task(working())
        gate.set()
        await asked
        return sum(spent)

    with small_heap():
        assert asyncio.run(play()) < BUSY / 2


def test_a_request_that_is_cancelled_cleans_up() -> None:
    async def play() -> list[str]:
        told: list[str] = []

        async def waiting() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                told.append("cleaned up")

        asked = asyncio.create_task(ask("/metrics", waiting, []))
        await asyncio.create_task(working())
        asked.cancel()
        with suppress(asyncio.CancelledError):
            await asked
        return told

    assert asyncio.run(play()) == ["cleaned up"]
