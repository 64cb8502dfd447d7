"""Peers that follow the feed, and sensors that publish on it, in real time."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.adapters.memory_network import MemoryGossip, MemoryNet
from learnae.ed25519 import SensorKey, verify
from learnae.errors import PortError, Reason
from learnae.messages.readings import ReadingLog, SensorOutbox, SensorRows, encode_reading
from learnae.messages.wire import cid_of
from learnae.protocol.events import Announcement
from learnae.protocol.row_types import RowBlock, RowsAnnouncement
from learnae.protocol.types import Cid, PeerId
from learnae.runtime import feed as runtime_feed
from learnae.runtime.feed import FeedGossip, publish_rows

SESSION, KEY = cid_of(b"session"), SensorKey.from_secret(bytes(32))
PATIENCE = 60  # s


def rows(number: int) -> SensorRows:
    return SensorRows(1, bytes([number]) + bytes(3), b"\0")


async def stream(count: int) -> AsyncIterator[SensorRows]:
    for number in range(count):
        yield rows(number)


@dataclass
class FlakyStore:
    """Fails as often as ``failures``."""

    failures: int = 0
    blocks: dict[Cid, bytes] = field(default_factory=dict)

    async def put(self, block: bytes) -> Cid:
        if self.failures:
            self.failures -= 1
            raise PortError(Reason.UNREACHABLE)
        self.blocks[cid_of(block)] = block
        return cid_of(block)

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        return self.blocks[cid]


class FlakyFeed(MemoryFeed):
    """Passes every message on, and confirms every second time only."""

    calls = 0

    async def publish(self, message: bytes) -> None:
        await super().publish(message)
        self.calls += 1
        if self.calls % 2:
            raise PortError(Reason.TIMEOUT)


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime_feed, "RETRY", 0.0)
        self.broker, self.store = MemoryBroker(), FlakyStore()
        self.room: dict[str, MemoryGossip] = {}
        net = MemoryNet(random.Random(1))
        self.inner = MemoryGossip(net, self.room, "p00", PeerId("me"))
        self.other = MemoryGossip(net, self.room, "p01", PeerId("bob"))
        log = ReadingLog(SESSION, [KEY.peer], 1, 2, verify)
        self.gossip = FeedGossip(self.inner, lambda: MemoryFeed(self.broker), log, self.store)
        self.outbox = SensorOutbox(SESSION, KEY.peer, KEY.sign)

    async def following(self) -> None:
        """The peer follows the feed."""
        for _ in range(100):
            await asyncio.sleep(0)
        assert self.broker.following

    async def heard(self, count: int, publishing: list[MemoryFeed]) -> list[tuple[PeerId, Announcement]]:
        """What the peer hears while the sensor publishes on these feeds."""
        subscription, heard = self.gossip.subscribe(), list[tuple[PeerId, Announcement]]()
        first = asyncio.ensure_future(anext(subscription))
        async with asyncio.timeout(PATIENCE):
            await self.following()
            for feed in publishing:
                await publish_rows(self.outbox, stream(count), feed)
            heard.append(await first)
            while len(heard) < count:
                heard.append(await anext(subscription))
        await subscription.aclose()  # type: ignore[attr-defined]
        return heard


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def numbers(heard: list[tuple[PeerId, Announcement]]) -> list[int]:
    assert all(sender == KEY.peer for sender, _ in heard)
    return [announcement.rows.number for _, announcement in heard if isinstance(announcement, RowsAnnouncement)]


def test_a_reading_is_heard_as_an_announcement_of_its_sensor_and_its_rows_are_in_the_store(world: World) -> None:
    heard = asyncio.run(world.heard(3, [MemoryFeed(world.broker)]))
    assert numbers(heard) == [1, 2, 3]
    assert set(world.store.blocks.values()) == {rows(number).block for number in range(3)}
    assert world.gossip.age is not None and 0 <= world.gossip.age < PATIENCE


def test_what_is_published_again_without_a_confirmation_is_heard_once(world: World) -> None:
    heard = asyncio.run(world.heard(3, [FlakyFeed(world.broker)]))
    assert numbers(heard) == [1, 2, 3] and not world.outbox.unconfirmed
    assert world.gossip.log.counts.refused[Reason.REPEAT] >= 2  # the last one may not have been read


def test_rows_reach_a_store_that_was_down(world: World) -> None:
    world.store.failures = 2
    assert numbers(asyncio.run(world.heard(2, [MemoryFeed(world.broker)]))) == [1, 2]
    assert len(world.store.blocks) == 2


def test_other_gossip_is_heard_and_published_as_before(world: World) -> None:
    async def story() -> None:
        announcement = RowsAnnouncement(SESSION, next_block(), "signature", ())
        subscription = world.gossip.subscribe()
        waiting = asyncio.ensure_future(anext(subscription))
        await world.other.publish(announcement)
        assert await waiting == (PeerId("bob"), announcement)
        await world.gossip.publish(announcement)
        assert world.other.heard.qsize() == 1 and world.gossip.dropped == {}
        await subscription.aclose()  # type: ignore[attr-defined]
        assert world.broker.following == [] and len(asyncio.all_tasks()) == 1

    asyncio.run(story())


def test_a_peer_reaches_no_node_of_the_feed_when_it_follows_it_no_longer(world: World) -> None:
    class AlwaysUp(MemoryFeed):
        nodes_up = 1

    async def story() -> None:
        gossip = FeedGossip(world.inner, lambda: AlwaysUp(world.broker), world.gossip.log, world.store)
        subscription = gossip.subscribe()
        waiting = asyncio.ensure_future(anext(subscription))
        await world.following()
        assert gossip.nodes_up == 1
        waiting.cancel()
        await asyncio.wait([waiting])
        await subscription.aclose()  # type: ignore[attr-defined]
        assert gossip.nodes_up == 0

    asyncio.run(story())


def next_block() -> RowBlock:
    return RowBlock(PeerId("12D3KooW" + "x" * 44), 1, cid_of(b"rows"))


def test_garbage_on_the_feed_is_counted_and_not_heard(world: World) -> None:
    async def story() -> None:
        await MemoryFeed(world.broker).publish(b"garbage")
        stranger = SensorKey.from_secret(bytes([1] * 32))
        await MemoryFeed(world.broker).publish(encode_reading(SESSION, stranger.peer, 1, bytes(32), rows(1), KEY.sign))

    async def both() -> list[tuple[PeerId, Announcement]]:
        subscription = world.gossip.subscribe()
        first = asyncio.ensure_future(anext(subscription))
        await world.following()
        await story()
        await publish_rows(world.outbox, stream(1), MemoryFeed(world.broker))
        heard = [await first]
        await subscription.aclose()  # type: ignore[attr-defined]
        return heard

    assert numbers(asyncio.run(both())) == [1]
    assert world.gossip.log.counts.refused == {Reason.MALFORMED: 1, Reason.SENSOR: 1}


def test_a_sensor_takes_no_more_rows_than_it_can_keep(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_feed, "MAX_UNCONFIRMED", 3)
    world.broker.down = True
    taken = 0

    async def endless() -> AsyncIterator[SensorRows]:
        nonlocal taken
        while True:
            taken += 1
            yield rows(taken % 200)

    async def story() -> None:
        task = asyncio.ensure_future(publish_rows(world.outbox, endless(), MemoryFeed(world.broker)))
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(story())
    assert len(world.outbox.unconfirmed) == 3 and taken == 3


def test_a_reading_that_is_too_long_is_an_error_of_the_program(world: World) -> None:
    async def one() -> AsyncIterator[SensorRows]:
        yield SensorRows(8000, bytes(32_000), b"\0")

    with pytest.raises(ExceptionGroup) as failed:
        asyncio.run(publish_rows(world.outbox, one(), MemoryFeed(world.broker)))
    assert "oversize" in str(failed.value.exceptions[0])
