"""Gossip in memory keeps its port's promises.  For drivers with an event loop; the simulator delivers by itself."""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from tests.adapters.gossips import GossipSuite, listening, model, told

from learnae.adapters.memory import keys
from learnae.adapters.memory_network import MAX_UNREAD, MemoryGossip, MemoryNet
from learnae.ports import Gossip
from learnae.session.faults import CUT

T = TypeVar("T")


class Gossips:
    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner, self.net, room = runner, MemoryNet(random.Random(1)), dict[str, MemoryGossip]()
        names = ("p00", "p01", "p02")
        self.peers = [keys(name)[0] for name in names]
        self.memory = [MemoryGossip(self.net, room, name, keys(name)[0]) for name in names]
        self.gossips: list[Gossip] = [*self.memory]

    async def shout(self, index: int, message: bytes) -> None:
        self.memory[index].broadcast(message)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)


class TestMemoryGossip(GossipSuite):
    @pytest.fixture
    def world(self) -> Iterator[Gossips]:
        with asyncio.Runner() as runner:
            yield Gossips(runner)

    def test_a_link_that_is_cut_carries_nothing(self, world: Gossips) -> None:
        async def story() -> None:
            async with listening(world) as listeners:
                world.net.links["p00", "p01"] = CUT
                await world.gossips[0].publish(model(1))
                await told(world.gossips[2], model(2), listeners[1])
                assert listeners[1].said == {model(2)}
                assert listeners[2].said == {model(1)}

        world.wait(story())

    def test_who_does_not_listen_loses_and_does_not_grow(self, world: Gossips) -> None:
        async def story() -> None:
            for step in range(2 * MAX_UNREAD):
                await world.gossips[0].publish(model(step + 1))

        world.wait(story())
        assert world.memory[1].heard.qsize() == MAX_UNREAD
