"""Sensors of an embedded swarm: their readings cross a feed in real time and are trained on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import pytest
from tests.helpers.live_peer_lives import Live

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.backends.base import RunOptions
from learnae.backends.embedded import sensors
from learnae.backends.embedded.backend import EmbeddedBackend
from learnae.errors import InputError
from learnae.protocol.decisions import RowsForwarded, RowsPublished, Trained
from learnae.records.history import ReadingPublished
from learnae.runtime.feeds import OpenFeed
from learnae.session.session_file import parse

OPEN = {
    "privacy": False,
    "peers": 5,
    "groups": [{"count": 3, "bridge": True}, {"count": 2, "sensor": True, "computes": False, "wants_payment": False}],
}
SENSOR = {"count": 2, "sensor": True, "computes": False, "wants_payment": False}


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
