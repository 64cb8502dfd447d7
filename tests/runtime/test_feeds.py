"""Connections to the feed that a session names."""

import asyncio
from importlib.util import find_spec

import pytest

from learnae.adapters.mqtt import MqttFeed
from learnae.adapters.tangle import TangleFeed
from learnae.errors import InputError
from learnae.messages.wire import cid_of
from learnae.runtime import feeds
from learnae.session.settings import FeedSettings


def test_only_a_feed_whose_broker_this_process_starts_needs_a_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "find_spec", lambda name: None if name == "amqtt" else find_spec(name))
    feeds.require_feed(FeedSettings(kind="mqtt", url="mqtt://127.0.0.1:1883"))
    with pytest.raises(InputError, match=r'feed.kind = "mqtt" needs aiomqtt and amqtt: pip install'):
        feeds.require_feed(FeedSettings(kind="mqtt"))


def test_a_feed_is_named_by_one_url_whatever_its_kind() -> None:
    async def story() -> None:
        for url, kind in (
            ("mqtt://10.0.0.2", MqttFeed),
            ("mqtt://10.0.0.2:1884", MqttFeed),
            ("tangle://10.0.0.2,node-1", TangleFeed),
        ):
            feed = feeds.feed_at(url, cid_of(b"session"), "p00")
            await feed.close()
            assert isinstance(feed, kind)
        for wrong in ("tangle://", "tangle://a,", "tangle://a:1", "tangle://a/b", "tangle://a b"):
            with pytest.raises(
                InputError, match="does not name the nodes of a Tangle: give their hosts as in tangle://"
            ):
                feeds.feed_at(wrong, cid_of(b"session"), "p00")
        with pytest.raises(InputError, match="is not the URL of a broker"):
            feeds.feed_at("http://a", cid_of(b"session"), "p00")

    asyncio.run(story())
