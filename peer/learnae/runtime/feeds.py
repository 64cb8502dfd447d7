"""Connections to the feed that a session names."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from importlib.util import find_spec
from urllib.parse import urlsplit

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.errors import InputError
from learnae.ports import Feed
from learnae.protocol.types import Cid
from learnae.session.settings import FeedSettings

Connect = Callable[[str], Feed]  # by name of the peer or sensor

MQTT_PORT = 1883


def require_feed(settings: FeedSettings) -> None:
    """Raises InputError if the libraries of this kind of feed are not installed."""
    if settings.kind == "mqtt" and not (find_spec("aiomqtt") and find_spec("amqtt")):
        raise InputError('feed.kind = "mqtt" needs aiomqtt and amqtt: pip install "learnae[feed]"')


@asynccontextmanager
async def open_feeds(settings: FeedSettings, session: Cid) -> AsyncIterator[Connect]:
    """Connections for peers and sensors of this process.  Starts a broker unless the settings name one."""
    if settings.kind == "memory":
        memory = MemoryBroker()
        yield lambda name: MemoryFeed(memory)
        return
    require_feed(settings)
    from learnae.adapters.mqtt.broker import mqtt_broker

    async with nullcontext(0) if settings.url else mqtt_broker() as port:
        yield lambda name: mqtt_feed(settings.url or f"mqtt://127.0.0.1:{port}", session, name)


def mqtt_feed(url: str, session: Cid, name: str) -> Feed:
    """A connection to a broker.  Raises InputError for a URL without a host."""
    require_feed(FeedSettings(kind="mqtt"))
    from learnae.adapters.mqtt import MqttFeed

    try:
        parts = urlsplit(url)
        host, port = parts.hostname if parts.scheme == "mqtt" else None, parts.port or MQTT_PORT
    except ValueError:
        host = None
    if not host:
        raise InputError(f"{url} is not the URL of a broker: give one such as mqtt://127.0.0.1:1883")
    return MqttFeed(host, port, f"learnae/1/{session}/readings", f"{name}-{session[-12:]}")
