"""Sensors of an embedded swarm: their readings cross a feed in real time and are trained on."""

from functools import cache

import pytest
from tests.helpers.live_peer_lives import Live

from learnae.protocol.decisions import RowsForwarded, RowsPublished, Trained
from learnae.records.history import ReadingPublished

SENSOR = {"count": 2, "sensor": True, "computes": False, "wants_payment": False}


@cache
def ended(kind: str) -> Live:
    """A session whose only rows are the sensors'."""
    groups = [{"count": 2, "has_rows": False, "bridge": True}, {"count": 1, "has_rows": False}, SENSOR]
    feed = {"kind": kind, "rows": 100, "every": 0.05}
    settings = {"privacy": False, "peers": 5, "groups": groups, "data": {"rows": 400}, "feed": feed}
    live = Live({**settings, "max_duration": 60.0})
    assert live.run() == "quiet"
    return live


KINDS = ["memory", pytest.param("mqtt", marks=pytest.mark.slow), pytest.param("tangle", marks=pytest.mark.real)]


@pytest.mark.parametrize("kind", KINDS)
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


def test_sensors_are_no_peers_of_the_swarm() -> None:
    assert [peer.name for peer in ended("memory").swarm.peers] == ["p00", "p01", "p02"]
    assert set(ended("memory").swarm.journals) == {"p00", "p01", "p02"}
