"""The suite of ``ports.Feed``.  An implementation supplies the fixture ``world``: two connections to one feed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from typing import Any, Protocol, TypeVar

import pytest

from learnae.errors import PortError, Reason
from learnae.messages.wire import MAX_READING
from learnae.ports import Feed

T = TypeVar("T")
Step = Callable[[], Coroutine[Any, Any, None]]
PATIENCE = 60  # s: a limit for tests that hang

ODD = {
    "one byte": b"\x00",
    "every byte": bytes(range(256)),
    "a newline": b"\n",
    "JSON": b'{"data": "0x00"}',
    "the longest": bytes(MAX_READING),
}


class FeedWorld(Protocol):
    feeds: list[Feed]  # two at least, connected to one feed that nobody else uses

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


async def received(messages: AsyncIterator[bytes], expected: Collection[bytes]) -> list[bytes]:
    """What arrives until all expected messages have."""
    arrived: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while not set(expected) <= set(arrived):
            arrived.append(await anext(messages))
    return arrived


class FeedSuite:
    def test_every_follower_receives_what_was_confirmed(self, world: FeedWorld) -> None:
        async def story() -> None:
            streams = [await feed.follow() for feed in world.feeds]
            for number, feed in enumerate(world.feeds):
                await feed.publish(b"message %d" % number)
            expected = {b"message %d" % number for number in range(len(world.feeds))}
            for stream in streams:
                assert set(await received(stream, expected)) == expected

        world.wait(story())

    @pytest.mark.parametrize("message", ODD.values(), ids=ODD)
    def test_a_message_arrives_as_it_was_sent(self, world: FeedWorld, message: bytes) -> None:
        async def story() -> None:
            stream = await world.feeds[1].follow()
            await world.feeds[0].publish(message)
            assert set(await received(stream, [message])) == {message}

        world.wait(story())

    def test_no_confirmed_message_is_lost_among_many_at_once(self, world: FeedWorld) -> None:
        async def story() -> None:
            stream = await world.feeds[1].follow()
            messages = [b"%d " % number * 50 for number in range(100)]
            await asyncio.gather(*(world.feeds[0].publish(message) for message in messages))
            assert set(await received(stream, messages)) == set(messages)

        world.wait(story())

    def test_the_same_content_can_be_published_again(self, world: FeedWorld) -> None:
        async def story() -> None:
            stream = await world.feeds[1].follow()
            for message in (b"same", b"same", b"last"):
                await world.feeds[0].publish(message)
            assert set(await received(stream, [b"same", b"last"])) == {b"same", b"last"}

        world.wait(story())

    def test_a_message_that_is_too_long_is_refused_and_reaches_nobody(self, world: FeedWorld) -> None:
        async def story() -> None:
            stream = await world.feeds[1].follow()
            with pytest.raises(PortError) as refused:
                await world.feeds[0].publish(bytes(MAX_READING + 1))
            assert refused.value.reason is Reason.OVERSIZE
            await world.feeds[0].publish(b"next")
            assert set(await received(stream, [b"next"])) == {b"next"}

        world.wait(story())

    def test_a_closed_feed_ends_its_stream_and_publishes_nothing(self, world: FeedWorld) -> None:
        async def story() -> None:
            stream, other = await world.feeds[1].follow(), await world.feeds[0].follow()
            await world.feeds[0].publish(b"before")
            await received(stream, [b"before"])
            await world.feeds[1].close()
            await world.feeds[1].close()
            assert world.feeds[1].nodes_up == 0
            with pytest.raises(PortError) as refused:
                await world.feeds[1].publish(b"after")
            assert refused.value.reason is Reason.UNREACHABLE
            await world.feeds[0].publish(b"others go on")
            assert set(await received(other, [b"others go on"])) == {b"before", b"others go on"}
            async with asyncio.timeout(PATIENCE):
                assert b"others go on" not in [message async for message in stream]

        world.wait(story())

    def test_a_closed_feed_leaves_no_task_behind(self, world: FeedWorld) -> None:
        async def story() -> None:
            before = asyncio.all_tasks()
            stream = await world.feeds[1].follow()
            await world.feeds[0].publish(b"one")
            await received(stream, [b"one"])
            for feed in world.feeds:
                await feed.close()
            left = asyncio.all_tasks() - before
            assert [task for task in left if "amqtt" not in repr(task)] == []  # a broker in this process has its own

        world.wait(story())


class InterruptedFeedSuite:
    """For feeds that can fail: the implementation's tests supply ``interrupt`` and ``restore``."""

    def test_a_message_that_was_not_confirmed_can_be_published_later(
        self, world: FeedWorld, interrupt: Step, restore: Step
    ) -> None:
        async def story() -> None:
            stream = await world.feeds[1].follow()
            await interrupt()
            with pytest.raises(PortError) as failed:
                await world.feeds[0].publish(b"kept by the sensor")
            assert failed.value.reason in (Reason.UNREACHABLE, Reason.TIMEOUT)
            await restore()
            async with asyncio.timeout(PATIENCE):
                await until_confirmed(world.feeds[0], b"kept by the sensor")
            assert b"kept by the sensor" in await received(stream, [b"kept by the sensor"])

        world.wait(story())


class SingleNodeSuite:
    """For feeds of one node, which ``interrupt`` and ``restore`` take down and bring back."""

    def test_a_follower_notices_that_the_node_is_down_and_up_again(
        self, world: FeedWorld, interrupt: Step, restore: Step
    ) -> None:
        async def story() -> None:
            assert world.feeds[1].nodes_up == 0
            await world.feeds[1].follow()
            await notices(world.feeds[1], interrupt, restore, 1)

        world.wait(story())


async def notices(feed: Feed, interrupt: Step, restore: Step, nodes: int) -> None:
    """A follower notices that one of so many nodes goes down and comes back."""
    for step, up in ((None, nodes), (interrupt, nodes - 1), (restore, nodes)):
        if step:
            await step()
        async with asyncio.timeout(PATIENCE):
            while feed.nodes_up != up:  # noqa: ASYNC110 - a feed reports no change of its nodes
                await asyncio.sleep(0.05)


async def until_confirmed(feed: Feed, message: bytes) -> None:
    """Publish as a sensor does: again and again."""
    while True:
        try:
            return await feed.publish(message)
        except PortError:
            await asyncio.sleep(0.05)
