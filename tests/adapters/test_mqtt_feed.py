"""MQTT brokers keep the promises of ``ports.Feed``."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.adapters.brokers import KINDS, AmqttBroker, Mosquitto
from tests.adapters.feeds import (
    PATIENCE,
    FeedSuite,
    InterruptedFeedSuite,
    SingleNodeSuite,
    Step,
    received,
    until_confirmed,
)
from tests.helpers.ports import free_port
from tests.helpers.waiting import HANG

from learnae.adapters.mqtt import MqttFeed
from learnae.adapters.mqtt import feed as mqtt_feed
from learnae.errors import PortError, Reason
from learnae.ports import Feed

T = TypeVar("T")


class World:
    """A broker, and connections that have a topic of their own."""

    def __init__(self, kind: str, runner: asyncio.Runner, folder: Path) -> None:
        self.runner = runner
        self.broker = AmqttBroker(runner, folder) if kind == "amqtt" else Mosquitto(runner, folder)
        self.feeds: list[Feed] = []
        self.renew("first")

    def renew(self, topic: str) -> None:
        self.close_feeds()
        self.feeds = [MqttFeed("127.0.0.1", self.broker.port, topic, f"{topic} {i}", timeout=HANG) for i in range(2)]

    def be_patient(self, seconds: float) -> None:
        """Wait so long for a confirmation."""
        for feed in self.feeds:
            assert isinstance(feed, MqttFeed)
            feed._timeout = seconds

    def close_feeds(self) -> None:
        for feed in self.feeds:
            self.wait(feed.close())

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def close(self) -> None:
        self.close_feeds()
        self.broker.stop()


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = World(request.param, runner, tmp_path_factory.mktemp(request.param))
        yield world
        world.close()


@pytest.fixture
def world(shared: World, request: pytest.FixtureRequest) -> World:
    shared.renew(str(abs(hash(request.node.name))))
    return shared


class TestMqttFeed(FeedSuite, InterruptedFeedSuite, SingleNodeSuite):
    @pytest.fixture
    def interrupt(self, world: World) -> Step:
        async def stop() -> None:
            world.be_patient(0.5)
            await world.broker.stop_now()

        return stop

    @pytest.fixture
    def restore(self, world: World) -> Step:
        async def start() -> None:
            """A broker that was killed forgets subscriptions: wait until all feeds have renewed theirs."""
            await world.broker.start_now()
            world.be_patient(HANG)
            for feed in world.feeds:
                assert isinstance(feed, MqttFeed)
                await feed._connected()

        return start

    def test_a_follower_that_begins_before_its_broker_receives_from_it_later(self, world: World) -> None:
        async def story() -> None:
            await world.broker.stop_now()
            waiting = asyncio.ensure_future(world.feeds[1].follow())
            await asyncio.wait([waiting], timeout=0.3)
            assert not waiting.done()
            await world.broker.start_now()
            stream = await waiting
            await until_confirmed(world.feeds[0], b"late")
            assert b"late" in await received(stream, [b"late"])

        world.wait(story())


def test_a_broker_that_is_not_there_is_a_timeout() -> None:
    async def story() -> None:
        feed = MqttFeed("127.0.0.1", free_port(), "topic", "name", timeout=0.2)
        with pytest.raises(PortError) as failed:
            await feed.publish(b"message")
        assert failed.value.reason is Reason.TIMEOUT
        await feed.close()

    asyncio.run(story())


def test_what_is_confirmed_while_a_follower_is_away_arrives_when_it_is_back(shared: World) -> None:
    async def story() -> None:
        name = "a peer that restarts"
        first = MqttFeed("127.0.0.1", shared.broker.port, "restart", name)
        await first.follow()
        await first.close()
        sensor = MqttFeed("127.0.0.1", shared.broker.port, "restart", "a sensor")
        await sensor.publish(b"meanwhile")
        again = MqttFeed("127.0.0.1", shared.broker.port, "restart", name)
        stream = await again.follow()
        await sensor.publish(b"next")
        arrived = await received(stream, [b"next"])
        assert b"meanwhile" in arrived or isinstance(shared.broker, AmqttBroker)  # which keeps nothing for it
        await sensor.close()
        await again.close()

    shared.wait(story())


def test_a_follower_that_reads_nothing_keeps_few_messages_and_can_be_closed(
    shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_feed, "MAX_UNREAD", 2)

    async def story() -> None:
        sensor, follower = (MqttFeed("127.0.0.1", shared.broker.port, "unread", name) for name in ("one", "two"))
        stream = await follower.follow()
        watching = await sensor.follow()
        for number in range(6):
            await sensor.publish(b"%d" % number)
            await received(watching, [b"%d" % number])
        await follower.close()
        async with asyncio.timeout(PATIENCE):
            assert len([message async for message in stream]) <= 2
        await sensor.close()

    shared.wait(story())
