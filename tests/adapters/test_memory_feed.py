"""The feed in memory keeps its port's promises."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from tests.adapters.feeds import FeedSuite, InterruptedFeedSuite, SingleNodeSuite, Step

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.ports import Feed

T = TypeVar("T")


class World:
    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner, self.broker = runner, MemoryBroker()
        self.feeds: list[Feed] = [MemoryFeed(self.broker), MemoryFeed(self.broker)]

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    async def set_down(self, down: bool) -> None:
        self.broker.down = down


@pytest.fixture
def world() -> Iterator[World]:
    with asyncio.Runner() as runner:
        yield World(runner)


class TestMemoryFeed(FeedSuite, InterruptedFeedSuite, SingleNodeSuite):
    @pytest.fixture
    def interrupt(self, world: World) -> Step:
        return lambda: world.set_down(True)

    @pytest.fixture
    def restore(self, world: World) -> Step:
        return lambda: world.set_down(False)
