"""Sensors of an embedded swarm: their readings cross a feed in real time and are trained on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from functools import cache

import pytest
from tests.helpers.live_peer_lives import Live

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.backends.base import RunOptions
from learnae.backends.embedded import sensors
from learnae.backends.embedded.backend import EmbeddedBackend
from learnae.errors import InputError
from learnae.messages.readings import decode_reading
from learnae.protocol.decisions import Trained
from learnae.protocol.row_types import RowsForwarded, RowsPublished
from learnae.records.history import Effect, FaultEnded, ReadingPublished
from learnae.runtime.feeds import OpenFeed
from learnae.session.session_file import parse

OPEN = {
    "privacy": False,
    "peers": 5,
    "groups": [{"count": 3, "bridge": True}, {"count": 2, "sensor": True, "computes": False, "wants_payment": False}],
}
PATIENCE = 60  # s: a limit for tests that hang
SENSOR = {"count": 2, "sensor": True, "computes": False, "wants_payment": False}


@dataclass
class Stuck(MemoryFeed):
    """A feed that passes the second message on and does not confirm it before it is ``free``."""

    received: list[int] = field(default_factory=list)  # numbers of readings
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)  # after the last reading

    async def publish(self, message: bytes) -> None:
        self.received.append(decode_reading(message).number)
        if len(self.received) == 2:
            self.stuck.set()
            await self.free.wait()

    async def close(self) -> None:
        if 4 in self.received:
            self.closed.set()

    @asynccontextmanager
    async def open(self, *given: object) -> AsyncIterator[OpenFeed]:
        yield OpenFeed(lambda name: self)


@cache
def ended(kind: str) -> Live:
    """A session whose only rows are the sensors'."""
    groups = [{"count": 2, "has_rows": False, "bridge": True}, {"count": 1, "has_rows": False}, SENSOR]
    feed = {"kind": kind, "rows": 100, "every": 0.05}
    settings = {"privacy": False, "peers": 5, "groups": groups, "data": {"rows": 400}, "feed": feed}
    live = Live({**settings, "max_duration": 600.0})
    assert live.run() == "quiet"
    return live


TANGLE = pytest.param("tangle", marks=pytest.mark.real)


@pytest.mark.parametrize("kind", ["memory", pytest.param("mqtt", marks=pytest.mark.slow), TANGLE])
def test_every_reading_is_forwarded_by_the_peers_that_follow_the_feed_and_trained_on_once_by_each(kind: str) -> None:
    history = ended(kind).history
    assert ended(kind).verdict["verdict"] == "valid", ended(kind).verdict["checks"]
    published = {fact.cid for _, fact in history.facts(ReadingPublished)}
    assert len(published) == 8 and not history.of(RowsPublished)
    for name in ("p00", "p01"):
        assert {fact.cid for record, fact in history.facts(RowsForwarded) if record.peer == name} == published
    for name in ("p00", "p01", "p02"):
        trained = [fact.rows for record, fact in history.facts(Trained) if record.peer == name]
        assert sorted(map(str, trained)) == sorted(published)


@pytest.mark.parametrize("kind", [pytest.param("memory", marks=pytest.mark.slow), TANGLE])
def test_every_reading_is_trained_on_although_a_node_of_the_feed_is_killed(kind: str) -> None:
    groups = [{"count": 2, "bridge": True}, {"count": 2}, SENSOR]
    fault = {"kind": "feed-kill", "at": 0.2, "duration": 1.0}
    live = Live(
        {
            "privacy": False,
            "peers": 6,
            "groups": groups,
            "data": {"rows": 1000},
            "feed": {"kind": kind, "rows": 100, "every": 1.0},
            "faults": [fault],
            "max_duration": 600.0,
        }
    )
    assert live.run() == "quiet"
    assert {name: check for name, check in live.verdict["checks"].items() if check["result"] != "valid"} == {}
    published = {fact.cid for _, fact in live.history.facts(ReadingPublished)}
    assert len(published) == 20 and published <= {fact.rows for _, fact in live.history.facts(Trained)}


CHURN = [
    {"kind": "sensor-kill", "at": 0.3, "duration": 1.0, "targets": ["p04"]},
    {"kind": "sensor-sleep", "at": 0.3, "duration": 1.0, "targets": ["p05"]},
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "mqtt"])
def test_every_reading_is_trained_on_although_sensors_are_killed_sleep_and_join_late(kind: str) -> None:
    late = {**SENSOR, "count": 1, "joins_at": 4.0}
    live = Live(
        {
            "privacy": False,
            "peers": 7,
            "groups": [{"count": 2, "bridge": True}, {"count": 2}, SENSOR, late],
            "data": {"rows": 1000},
            "feed": {"kind": kind, "rows": 100, "every": 0.5},
            "faults": CHURN,
            "max_duration": 600.0,
        }
    )
    assert live.run() == "quiet"
    assert {name: check for name, check in live.verdict["checks"].items() if check["result"] != "valid"} == {}
    assert [fact.effect for _, fact in live.history.facts(FaultEnded)] == [Effect.APPLIED] * 2
    published = [fact.cid for _, fact in live.history.facts(ReadingPublished)]
    assert len(published) == len(set(published)) == 30
    for name in ("p00", "p01", "p02", "p03"):
        trained = [fact.rows for record, fact in live.history.facts(Trained) if record.peer == name]
        assert set(published) <= set(trained)
        assert all(trained.count(cid) == 1 for cid in published)


@pytest.mark.parametrize(("sleeps", "sent"), [(False, [1, 2, 2, 3, 4]), (True, [1, 2, 3, 4])])
def test_a_killed_sensor_sends_again_what_it_has_not_seen_confirmed(
    monkeypatch: pytest.MonkeyPatch, sleeps: bool, sent: list[int]
) -> None:
    groups = [{"count": 1, "bridge": True}, {**SENSOR, "count": 1}]
    feed = {"rows": 100, "every": 0.001}
    live = Live({"privacy": False, "peers": 2, "groups": groups, "data": {"rows": 400}, "feed": feed})

    async def story() -> Stuck:
        feed, swarm = Stuck(MemoryBroker()), live.swarm.sensors
        monkeypatch.setattr(sensors, "open_feeds", feed.open)
        assert not await swarm.interrupt("p01", sleeps)  # it has not joined
        work = asyncio.create_task(swarm.run(asyncio.Event()))
        async with asyncio.timeout(PATIENCE):
            await feed.stuck.wait()
            assert await swarm.interrupt("p01", sleeps) and not swarm.is_up("p01")
            feed.free.set()
            swarm.restore("p01")
            await feed.closed.wait()
        work.cancel()
        await asyncio.wait([work])
        return feed

    with closing(live.swarm.evm):
        assert asyncio.run(story()).received == sent


def test_a_broker_of_mqtt_cannot_be_killed() -> None:
    session = parse(
        {
            **OPEN,
            "data": {"rows": 100},
            "work": {"slices": 1},
            "feed": {"kind": "mqtt"},
            "faults": [{"kind": "feed-kill", "at": 1.0}],
        }
    )
    with pytest.raises(InputError, match="feed-kill cannot kill an MQTT broker: set feed.kind to memory or tangle"):
        EmbeddedBackend(session, RunOptions(), lambda sentence: None).check()


def test_sensors_are_no_peers_of_the_swarm() -> None:
    assert [peer.name for peer in ended("memory").swarm.peers] == ["p00", "p01", "p02"]
    assert set(ended("memory").swarm.journals) == {"p00", "p01", "p02"}


def test_a_session_is_interrupted_while_its_feed_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Live({**OPEN, "data": {"rows": 1000}, "feed": {"rows": 100}})

    @asynccontextmanager
    async def never(*given: object) -> AsyncIterator[OpenFeed]:
        live.swarm.stop()
        await asyncio.Event().wait()
        yield OpenFeed(lambda name: MemoryFeed(MemoryBroker()))

    monkeypatch.setattr(sensors, "open_feeds", never)
    assert live.run() == "interrupted"
