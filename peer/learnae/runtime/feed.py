"""The feed in real time: peers that follow it, and sensors that publish on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from learnae.async_streams import merge
from learnae.ed25519 import verify
from learnae.errors import BadMessage, PortError, Reason
from learnae.messages.readings import MAX_CLASSES, ReadingLog, SensorOutbox, SensorRows
from learnae.ports import Feed, Gossip, Store
from learnae.protocol.events import Announcement
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import PeerId
from learnae.runtime.learning import Learning

RETRY = 1.0  # s until what failed is tried again
MAX_UNCONFIRMED = 256  # readings that a sensor keeps; with more, it takes no further rows


class FeedGossip:
    """``ports.Gossip`` of a peer that follows the feed: it hears a verified reading as if the sensor had announced it.

    By then the rows of the reading are in the peer's own store.  ``connect``: opens a connection to the feed.
    """

    def __init__(self, gossip: Gossip, connect: Callable[[], Feed], log: ReadingLog, store: Store) -> None:
        self.log = log
        self._feed: Feed | None = None  # while connected to it
        self.newest_at: float | None = None  # s, of the monotonic clock: when the last new reading arrived
        self._gossip, self._connect, self._store = gossip, connect, store

    @property
    def dropped(self) -> Mapping[Reason, int]:
        return self._gossip.dropped

    @property
    def age(self) -> float | None:
        """Seconds since the last new reading."""
        return None if self.newest_at is None else time.monotonic() - self.newest_at

    @property
    def nodes_up(self) -> int:
        """Nodes of the feed that this peer reaches."""
        return self._feed.nodes_up if self._feed else 0

    async def publish(self, announcement: Announcement) -> None:
        await self._gossip.publish(announcement)

    def subscribe(self) -> AsyncIterator[tuple[PeerId, Announcement]]:
        return merge([self._gossip.subscribe(), self._readings()])

    async def _readings(self) -> AsyncIterator[tuple[PeerId, Announcement]]:
        feed = self._feed = self._connect()
        try:
            async for message in await feed.follow():
                try:
                    reading = self.log.accept(message)
                except BadMessage:  # the log has counted it
                    continue
                self.newest_at = time.monotonic()
                await self._keep(reading.rows.block)
                yield reading.sensor, reading.announcement
        finally:
            self._feed = None
            await feed.close()

    async def _keep(self, block: bytes) -> None:
        while True:
            try:
                await self._store.put(block)
                return
            except PortError:  # the feed will not send the reading again
                await asyncio.sleep(RETRY)


def reading_log(config: PeerConfig, learning: Learning) -> ReadingLog:
    """``MemoryLearning`` has neither columns nor classes: its readings have one column."""
    classes = learning.statistics.get("classes", MAX_CLASSES)
    assert isinstance(classes, int)
    return ReadingLog(config.session, config.sensors, learning.features or 1, classes, verify)


async def publish_rows(
    outbox: SensorOutbox,
    rows: AsyncIterator[SensorRows],
    feed: Feed,
    confirmed: Callable[[int, bytes], None] = lambda number, message: None,
) -> None:
    """Publish rows as they come, and each reading again until the feed has confirmed it.

    ``confirmed`` is called with number and message of each confirmed reading.  Returns when there are no more rows.
    """
    changed, ended = asyncio.Event(), False

    async def publish() -> None:
        while outbox.unconfirmed or not ended:
            changed.clear()
            if not outbox.unconfirmed:
                await changed.wait()
                continue
            number, message = next(iter(outbox.unconfirmed.items()))
            try:
                await feed.publish(message)
            except PortError as error:
                if error.reason is Reason.OVERSIZE:
                    raise
                await asyncio.sleep(RETRY)
                continue
            outbox.confirm(number)
            confirmed(number, message)
            room.set()

    room = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        while True:
            while len(outbox.unconfirmed) >= MAX_UNCONFIRMED:
                room.clear()
                await room.wait()
            part = await anext(rows, None)
            if part is None:
                break
            outbox.add(part)
            changed.set()
        ended = True
        changed.set()
