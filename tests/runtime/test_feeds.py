"""Connections to the feed that a session names."""

from importlib.util import find_spec

import pytest

from learnae.errors import InputError
from learnae.runtime import feeds
from learnae.session.settings import FeedSettings


def test_only_a_feed_whose_broker_this_process_starts_needs_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "find_spec", lambda name: None if name == "amqtt" else find_spec(name))
    feeds.require_feed(FeedSettings(kind="mqtt", url="mqtt://127.0.0.1:1883"))
    with pytest.raises(InputError, match=r'feed.kind = "mqtt" needs aiomqtt and amqtt: pip install'):
        feeds.require_feed(FeedSettings(kind="mqtt"))
