"""The Tangle keeps the promises of ``ports.Feed``, on real HORNET nodes, also while one of them is killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from tests.adapters.feeds import PATIENCE, FeedSuite, InterruptedFeedSuite, Step, notices, received, until_confirmed

from learnae.adapters.tangle import TangleFeed
from learnae.adapters.tangle.process import TangleNode, tangle_network
from learnae.checkout import REPOSITORY
from learnae.errors import DOWN, PortError
from learnae.ports import Feed

pytestmark = pytest.mark.real
T = TypeVar("T")


class Nodes:
    """Three nodes that know each other, for all tests of this file: each test has a tag of its own."""

    def __init__(self, runner: asyncio.Runner, nodes: list[TangleNode]) -> None:
        self.runner, self.nodes = runner, nodes

    def feed(self, tag: bytes, order: Sequence[int] = (0, 1, 2), call_timeout: float = 5.0) -> TangleFeed:
        async def connect() -> TangleFeed:
            return TangleFeed([self.nodes[number].address for number in order], tag, call_timeout)

        return self.runner.run(connect())


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    if not (REPOSITORY / ".tools" / "bin" / "hornet").exists():
        pytest.skip("HORNET is not there: make tools")
    with asyncio.Runner() as runner:
        network = tangle_network(tmp_path_factory.mktemp("tangle") / "network", 3)
        nodes = runner.run(network.__aenter__())
        try:
            yield Nodes(runner, nodes)
        finally:
            runner.run(network.__aexit__(None, None, None))


@pytest.fixture
def tag() -> bytes:
    return os.urandom(16)


class World:
    def __init__(self, nodes: Nodes, feeds: Sequence[TangleFeed]) -> None:
        self.nodes, self.feeds = nodes, list[Feed](feeds)

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.nodes.runner.run(coroutine)


@pytest.fixture
def world(nodes: Nodes, tag: bytes) -> Iterator[World]:
    feeds = [nodes.feed(tag, call_timeout=PATIENCE), nodes.feed(tag, (2, 1, 0))]  # the second notices frozen nodes
    world = World(nodes, feeds)
    yield world
    for feed in feeds:
        world.wait(feed.close())


class TestTangleFeed(FeedSuite, InterruptedFeedSuite):
    @pytest.fixture
    def impatient(self, nodes: Nodes, tag: bytes) -> Iterator[TangleFeed]:
        feed = nodes.feed(tag, call_timeout=0.5)
        yield feed
        nodes.runner.run(feed.close())

    @pytest.fixture
    def interrupt(self, world: World, nodes: Nodes, impatient: TangleFeed) -> Step:
        """Freeze all nodes but the first, so that nothing can reach two."""

        async def freeze() -> None:
            world.feeds[0] = impatient
            for node in nodes.nodes[1:]:
                node.signal(signal.SIGSTOP)

        return freeze

    @pytest.fixture
    def restore(self, world: World, nodes: Nodes) -> Step:
        patient = world.feeds[0]

        async def thaw() -> None:
            world.feeds[0] = patient
            for node in nodes.nodes[1:]:
                node.signal(signal.SIGCONT)

        return thaw


async def sent(feed: TangleFeed, messages: Sequence[bytes]) -> None:
    for message in messages:
        await until_confirmed(feed, message)


def test_readings_survive_a_killed_node_which_regains_them_while_readings_go_on(nodes: Nodes, tag: bytes) -> None:
    readings = [b"reading %d" % number for number in range(90)]
    sensor, follower = nodes.feed(tag), nodes.feed(tag)
    latecomer = nodes.feed(tag, [0])

    async def story(stream: AsyncIterator[bytes]) -> None:
        await sent(sensor, readings[:30])
        await nodes.nodes[0].kill()
        await sent(sensor, readings[30:60])
        await nodes.nodes[0].start()
        await sent(sensor, readings[60:])
        assert set(await received(stream, readings)) == set(readings)
        going_on = asyncio.create_task(sent(sensor, [b"later %d" % number for number in range(10_000)]))
        assert set(readings) <= set(await received(await latecomer.follow(), readings)), "the killed node lacks some"
        going_on.cancel()

    async def whole() -> None:
        try:
            await story(await follower.follow())
        finally:
            for feed in (sensor, follower, latecomer):
                await feed.close()

    nodes.runner.run(whole())


def test_a_follower_notices_that_a_node_is_killed_and_begins_anew(nodes: Nodes, tag: bytes) -> None:
    follower, node = nodes.feed(tag), nodes.nodes[1]

    async def story() -> None:
        try:
            await follower.follow()
            await notices(follower, node.kill, node.start, 3)
        finally:
            await follower.close()

    nodes.runner.run(story())


def test_what_only_a_killed_node_had_is_not_confirmed_and_arrives_when_it_is_published_again(
    nodes: Nodes, tag: bytes
) -> None:
    impatient, sensor, follower = nodes.feed(tag, call_timeout=0.5), nodes.feed(tag), nodes.feed(tag, [2])

    async def story() -> None:
        for node in nodes.nodes[1:]:
            await node.kill()
        with pytest.raises(PortError) as failed:
            await impatient.publish(b"in the memory of one node")
        assert failed.value.reason in DOWN
        await nodes.nodes[0].kill()
        for node in nodes.nodes:
            await node.start()
        stream = await follower.follow()
        await sent(sensor, [b"in the memory of one node"])
        assert set(await received(stream, [b"in the memory of one node"])) == {b"in the memory of one node"}

    async def whole() -> None:
        try:
            await story()
        finally:
            for feed in (impatient, sensor, follower):
                await feed.close()
            for node in nodes.nodes:
                if not node.running:
                    await node.start()

    nodes.runner.run(whole())
