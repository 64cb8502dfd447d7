"""The sensors of an embedded swarm, and the feed that connects them to the peers that follow it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from learnae.adapters.ipfs_keys import IpfsIdentity
from learnae.messages.readings import SensorOutbox, SensorRows, decode_reading
from learnae.ports import Feed, Gossip, Observer, Store
from learnae.protocol.rest import Rest
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid
from learnae.records.history import ReadingPublished
from learnae.runtime.feed import FeedGossip, publish_rows, reading_log
from learnae.runtime.feeds import OpenFeed, open_feeds
from learnae.runtime.memory_session import MemorySession
from learnae.session.roster import Member


class EmbeddedSensors:
    """``identities``: keys by name.  ``clock``: session seconds.  ``busy``: whether rows are left to publish."""

    def __init__(
        self,
        setup: MemorySession,
        identities: Mapping[str, IpfsIdentity],
        clock: Callable[[], float],
        record: Observer,
    ) -> None:
        self._setup, self._clock, self._record = setup, clock, record
        self._identities = identities
        self._members = [member for member in setup.members if member.group.sensor]
        self._published: set[Cid] = set()
        self._feed: OpenFeed | None = None
        self.busy = bool(self._members)

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
        if not self._members:
            ready.set()
            return
        async with open_feeds(self._setup.session.feed, self._setup.session_id) as self._feed:
            ready.set()
            async with asyncio.TaskGroup() as group:
                for member in self._members:
                    group.create_task(self._publish(member))
            self.busy = False
            await asyncio.Event().wait()

    # private

    async def _publish(self, member: Member) -> None:
        await asyncio.sleep(member.group.joins_at - self._clock())
        feed = self._connection(member.name)
        try:
            outbox = SensorOutbox(self._setup.session_id, member.peer, self._identities[member.name].sensor_key.sign)

            def confirmed(number: int, message: bytes) -> None:
                cid = decode_reading(message).announcement.rows.cid
                self._published.add(cid)
                self._record(self._clock(), member.name, ReadingPublished(number, cid))

            await publish_rows(outbox, self._rows(member), feed, confirmed)
        finally:
            await feed.close()

    async def _rows(self, member: Member) -> AsyncIterator[SensorRows]:
        for rows in self._setup.learning.readings(self._setup.members.index(member)):
            await asyncio.sleep(self._setup.session.feed.every)
            yield rows
