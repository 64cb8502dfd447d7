"""An MQTT broker in this process, on loopback, for sessions that name no broker of their own."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from amqtt.broker import Broker

MAX_CONNECTIONS = 1000


@asynccontextmanager
async def mqtt_broker(port: int = 0) -> AsyncIterator[int]:
    """Serve until the block ends.  Yields the port; 0: any free port."""
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)  # it reports each lost connection
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    broker = Broker(config(port))
    await broker.start()
    try:
        yield int(broker._servers["default"].instance.sockets[0].getsockname()[1])
    finally:
        await broker.shutdown()


def config(port: int) -> dict[str, Any]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": MAX_CONNECTIONS}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
