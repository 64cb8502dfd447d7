"""The sensors of an embedded swarm, and the feed that connects them to the peers that follow it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from learnae.adapters.ipfs_keys import IpfsIdentity
from learnae.messages.readings import SensorOutbox, SensorRows, decode_reading
from learnae.ports import Feed, Gossip, Observer, Store
from learnae.protocol.rest import Rest
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid
from learnae.records.history import ReadingPublished
from learnae.runtime.fault_runner import FaultRunner
from learnae.runtime.feed import FeedGossip, publish_rows, reading_log
from learnae.runtime.feeds import OpenFeed, open_feeds
from learnae.runtime.memory_session import MemorySession
from learnae.session.roster import Member


@dataclass
class _Sensor:
    """``outbox``: what it keeps while it is killed, as ``learnae sensor`` keeps it in a file."""

    member: Member
    outbox: SensorOutbox
    work: asyncio.Task[None] | None = None  # while it is not killed, from when it joins until all is published
    up: asyncio.Event = field(default_factory=asyncio.Event)  # not killed and not asleep


@dataclass
class _WhileAwake:
    """A connection of a sensor.  While it sleeps, it publishes nothing."""

    feed: Feed
    up: asyncio.Event

    async def publish(self, message: bytes) -> None:
        await self.up.wait()
        await self.feed.publish(message)

    @property
    def nodes_up(self) -> int:
        return self.feed.nodes_up

    async def follow(self) -> AsyncIterator[bytes]:
        return await self.feed.follow()

    async def close(self) -> None:
        await self.feed.close()


class EmbeddedSensors:
    """``identities``: keys by name.  ``clock``: session seconds.  ``busy``: whether rows are left to publish.

    ``faults``: they wait until the sensors are at work.
    """

    def __init__(
        self,
        setup: MemorySession,
        identities: Mapping[str, IpfsIdentity],
        clock: Callable[[], float],
        record: Observer,
        faults: FaultRunner | None,
    ) -> None:
        self._setup, self._clock, self._record, self._faults = setup, clock, record, faults
        self._sensors = {
            member.name: _Sensor(
                member, SensorOutbox(setup.session_id, member.peer, identities[member.name].sensor_key.sign)
            )
            for member in setup.members
            if member.group.sensor
        }
        self._published: set[Cid] = set()
        self._feed: OpenFeed | None = None
        self.busy = bool(self._sensors)

    @property
    def rest(self) -> Rest:
        """What the peers that follow the feed must have received before the session settles."""
        return Rest(frozenset(), frozenset(), frozenset(self._published))

    def gossip(self, config: PeerConfig, gossip: Gossip, store: Store) -> Gossip:
        """The gossip of a peer, with the readings of sensors if it follows the feed."""
        if not config.sensors:
            return gossip
        name = next(member.name for member in self._setup.members if member.peer == config.peer)
        return FeedGossip(gossip, lambda: self._connection(name), reading_log(config, self._setup.learning), store)

    @property
    def feed(self) -> OpenFeed:
        assert self._feed
        return self._feed

    def _connection(self, name: str) -> Feed:
        return self.feed.connect(name)

    async def run(self, ready: asyncio.Event) -> None:
        """Publish all rows of all sensors; keep the feed open until cancelled.  ``ready`` is set when it is open."""
        if not self._sensors:
            ready.set()
            return
        async with open_feeds(self._setup.session.feed, self._setup.session_id) as self._feed:
            ready.set()
            async with asyncio.TaskGroup() as group:
                for sensor in self._sensors.values():
                    group.create_task(self._life(sensor))
            self.busy = False
            await asyncio.Event().wait()

    # what faults do to sensors

    def is_up(self, name: str) -> bool:
        return self._sensors[name].up.is_set()

    async def interrupt(self, name: str, sleeps: bool) -> bool:
        """Send a sensor to sleep, or kill it.  False if it has not joined, or has published all."""
        sensor = self._sensors[name]
        if sensor.work is None or sensor.work.done():
            return False
        sensor.up.clear()
        if not sleeps:
            sensor.work.cancel()
            await asyncio.wait([sensor.work])
        return True

    def restore(self, name: str) -> None:
        self._sensors[name].up.set()

    # private

    async def _life(self, sensor: _Sensor) -> None:
        """From when it joins until all is published; it begins again each time that it was killed."""
        await asyncio.sleep(sensor.member.group.joins_at - self._clock())
        sensor.up.set()
        if self._faults:
            self._faults.at_work(self._clock(), sensor.member.name)
        while sensor.work is None or sensor.work.cancelled():
            await sensor.up.wait()
            sensor.work = asyncio.ensure_future(self._publish(sensor))
            try:
                await asyncio.wait([sensor.work])
            finally:
                sensor.work.cancel()
        await sensor.work

    async def _publish(self, sensor: _Sensor) -> None:
        member, feed = sensor.member, self._connection(sensor.member.name)
        readings = self._setup.learning.readings(self._setup.members.index(member))

        def confirmed(number: int, message: bytes) -> None:
            cid = decode_reading(message).announcement.rows.cid
            self._published.add(cid)
            self._record(self._clock(), member.name, ReadingPublished(number, cid, len(readings)))

        try:
            await publish_rows(sensor.outbox, self._rows(sensor, readings), _WhileAwake(feed, sensor.up), confirmed)
        finally:
            await feed.close()

    async def _rows(self, sensor: _Sensor, readings: Sequence[SensorRows]) -> AsyncIterator[SensorRows]:
        """What it has made no readings of yet."""
        for rows in readings[sensor.outbox.number :]:
            await asyncio.sleep(self._setup.session.feed.every)
            await sensor.up.wait()
            yield rows
