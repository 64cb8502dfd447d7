"""``ports.Feed`` on an MQTT broker.  All messages have QoS 1: the broker confirms them and repeats them to followers.

The broker keeps the subscription of a client, by its name, while it is disconnected, and delivers later what it missed.
How long it keeps it, and whether it survives the broker's own restart, is the broker's setting.

Messages that a follower does not read are kept up to ``MAX_UNREAD`` here and in aiomqtt each; then new ones are lost.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

import aiomqtt

from learnae.async_streams import Unread
from learnae.errors import PortError, Reason
from learnae.messages.wire import MAX_READING

QOS = 1
MAX_UNREAD = 1000  # messages that wait to be read
RECONNECT_MIN, RECONNECT_MAX = 0.1, 5.0  # s between attempts to connect
SILENT = logging.getLogger("learnae.mqtt")  # paho reports each lost connection
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


async def require_answer(host: str, port: int, within: float) -> None:
    """Raises PortError UNREACHABLE unless a broker accepts a connection within so many seconds."""
    try:
        async with aiomqtt.Client(host, port, timeout=within, logger=SILENT):
            pass
    except aiomqtt.MqttError as error:
        raise PortError(Reason.UNREACHABLE, str(error)) from None


class MqttFeed:
    """One connection.  ``name``: of the client, the same after a restart.  ``timeout``: s for a confirmation."""

    def __init__(self, host: str, port: int, topic: str, name: str, timeout: float = 10.0) -> None:
        self._host, self._port, self._topic, self._name, self._timeout = host, port, topic, name, timeout
        self._received = Unread[bytes](MAX_UNREAD)
        self._client: aiomqtt.Client | None = None  # while connected
        self._changed = asyncio.Condition()  # of ``_client``
        self._follows = self._closed = False
        self._task: asyncio.Task[None] | None = None

    @property
    def nodes_up(self) -> int:
        return int(self._follows and self._client is not None)

    async def publish(self, message: bytes) -> None:
        if len(message) > MAX_READING:
            raise PortError(Reason.OVERSIZE, f"{len(message)} bytes")
        if self._closed:
            raise PortError(Reason.UNREACHABLE, "the feed is closed")
        try:
            async with asyncio.timeout(self._timeout):
                client = await self._connected()
                await client.publish(self._topic, message, QOS, timeout=self._timeout)
        except TimeoutError:
            raise PortError(Reason.TIMEOUT, f"no confirmation by {self._host}:{self._port}") from None
        except (aiomqtt.MqttError, ValueError) as error:
            raise PortError(Reason.UNREACHABLE, str(error)) from None

    async def follow(self) -> AsyncIterator[bytes]:
        self._follows = True
        while not self._closed:
            client = await self._connected()
            with suppress(aiomqtt.MqttError):
                await client.subscribe(self._topic, QOS, timeout=self._timeout)
                break
            await asyncio.sleep(RECONNECT_MIN)
        return self._received.read()

    async def close(self) -> None:
        self._closed = True
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._client = None
        self._received.close()

    async def _connected(self) -> aiomqtt.Client:
        """Wait for a connection, which the first call starts."""
        self._task = self._task or asyncio.create_task(self._stay_connected())
        async with self._changed:
            while self._client is None:
                await self._changed.wait()
            return self._client

    async def _stay_connected(self) -> None:
        wait = RECONNECT_MIN
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    self._host,
                    self._port,
                    identifier=self._name,
                    clean_session=False,
                    protocol=aiomqtt.ProtocolVersion.V311,
                    timeout=self._timeout,
                    max_queued_incoming_messages=MAX_UNREAD,
                    logger=SILENT,
                ) as client:
                    wait = RECONNECT_MIN
                    if self._follows:
                        await client.subscribe(self._topic, QOS)
                    await self._set(client)
                    async for message in client.messages:
                        if isinstance(message.payload, bytes) and len(message.payload) <= MAX_READING:
                            await self._received.put(message.payload)
            await self._set(None)
            await asyncio.sleep(wait)
            wait = min(2 * wait, RECONNECT_MAX)

    async def _set(self, client: aiomqtt.Client | None) -> None:
        async with self._changed:
            self._client = client
            self._changed.notify_all()
