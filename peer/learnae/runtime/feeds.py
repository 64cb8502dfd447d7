"""Connections to the feed that a session names."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.errors import InputError, PortError
from learnae.ports import Feed
from learnae.protocol.types import Cid
from learnae.session.settings import FeedSettings

Connect = Callable[[str], Feed]  # by name of the peer or sensor

Step = Callable[[], Awaitable[None]]
ANSWER = 10.0  # s within which a broker answers
MQTT_PORT, REST_PORT = 1883, 14265  # of brokers and bridges, and of HORNET
TAG = b"learnae readings"  # of blocks with readings; a Tangle belongs to one session


@dataclass
class OpenFeed:
    """A feed that runs.  ``kill`` and ``start`` one of its nodes; None: this process cannot."""

    connect: Connect
    kill: Step | None = None
    start: Step | None = None
    interrupted: bool = False

    async def interrupt(self) -> None:
        if self.kill is None:
            raise InputError("the broker of the feed cannot be killed")
        await self.kill()
        self.interrupted = True

    async def restore(self) -> None:
        assert self.start
        await self.start()
        self.interrupted = False


def require_feed(settings: FeedSettings) -> None:
    """Raises InputError if the libraries or programs of this kind of feed are not installed."""
    if settings.kind != "memory":
        own = settings.kind == "mqtt" and not settings.url
        require_client(settings.kind, "aiomqtt", *(["amqtt"] if own else []))
    if settings.kind == "tangle":
        from learnae.adapters.tangle.network import find_programs

        find_programs()


def feed_at(url: str, session: Cid, name: str) -> Feed:
    """A connection to a broker, mqtt://HOST:PORT, or to the nodes of a Tangle, tangle://HOST,HOST with their own ports.

    Must be called in an event loop.  Raises InputError.
    """
    kind, _, hosts = url.partition("://")
    if kind != "tangle":
        return mqtt_feed(url, session, name)
    require_client("tangle", "aiomqtt")
    from learnae.adapters.tangle import NodeAddress, TangleFeed

    if not re.fullmatch(r"[^,/:@\s]+(,[^,/:@\s]+)*", hosts):
        raise InputError(
            f"{url} does not name the nodes of a Tangle: give their hosts as in tangle://10.0.0.2,10.0.0.3"
        )
    return TangleFeed([NodeAddress(f"http://{host}:{REST_PORT}", host, MQTT_PORT) for host in hosts.split(",")], TAG)


def require_client(kind: str, *libraries: str) -> None:
    """Raises InputError if one of these libraries is not installed."""
    if not all(map(find_spec, libraries)):
        raise InputError(f'feed.kind = "{kind}" needs {" and ".join(libraries)}: pip install "learnae[feed]"')


async def require_broker(url: str) -> None:
    """Raises InputError unless an MQTT broker answers at this URL."""
    require_client("mqtt", "aiomqtt")
    from learnae.adapters.mqtt.feed import require_answer

    try:
        await require_answer(*_broker_address(url), ANSWER)
    except PortError as error:
        raise InputError(f"no MQTT broker answers at {url} ({error}): start it, or correct feed.url") from None


@asynccontextmanager
async def open_feeds(settings: FeedSettings, session: Cid) -> AsyncIterator["OpenFeed"]:
    """Connections for peers and sensors of this process.  Starts a Tangle, or a broker if the settings name none."""
    if settings.kind == "memory":
        memory = MemoryBroker()
        yield OpenFeed(
            lambda name: MemoryFeed(memory), partial(_set_down, memory, True), partial(_set_down, memory, False)
        )
        return
    require_feed(settings)
    if settings.kind == "tangle":
        async with _tangle(settings.nodes) as feed:
            yield feed
        return
    from learnae.adapters.mqtt.broker import mqtt_broker

    async with nullcontext(0) if settings.url else mqtt_broker() as port:
        yield OpenFeed(lambda name: mqtt_feed(settings.url or f"mqtt://127.0.0.1:{port}", session, name))


def mqtt_feed(url: str, session: Cid, name: str) -> Feed:
    """A connection to a broker.  Raises InputError for a URL without a host."""
    require_client("mqtt", "aiomqtt")
    from learnae.adapters.mqtt import MqttFeed

    host, port = _broker_address(url)
    return MqttFeed(host, port, f"learnae/1/{session}/readings", f"{name}-{session[-12:]}")


# private


def _broker_address(url: str) -> tuple[str, int]:
    """Raises InputError for a URL without a host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname if parts.scheme == "mqtt" else None, parts.port or MQTT_PORT
    except ValueError:
        host = None
    if not host:
        raise InputError(f"{url} is not the URL of a broker: give one such as mqtt://127.0.0.1:1883")
    return host, port


@asynccontextmanager
async def _tangle(count: int) -> AsyncIterator[OpenFeed]:
    from learnae.adapters.tangle import TangleFeed
    from learnae.adapters.tangle.process import tangle_network

    with TemporaryDirectory(prefix="learnae-tangle-") as folder:
        async with tangle_network(Path(folder) / "network", count) as nodes:
            addresses = [node.address for node in nodes]
            yield OpenFeed(lambda name: TangleFeed(addresses, TAG), nodes[0].kill, nodes[0].start)


async def _set_down(memory: MemoryBroker, down: bool) -> None:
    memory.down = down
