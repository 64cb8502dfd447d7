"""Ports of pods as ports of this machine, through the API server, as `kubectl port-forward` does it.

    async with Forwards(cluster, [("swarm-peers-0", 8000)], "127.0.0.1") as forwards:
        forwards.url("swarm-peers-0", 8000)        # http://127.0.0.1:NNNNN

Each connection asks for the pod by its name, so the URL also works when the pod has been deleted and is back.  Pods are
reached on their loopback, which no NetworkPolicy and no fault concerns.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Self

import aiohttp

from learnae.backends.kubernetes.cluster import Cluster
from learnae.web.api.server import listen

PROTOCOL = "v4.channel.k8s.io"
DATA = b"\x00"  # channel of the port; the next one carries its errors
CHUNK = 1 << 15  # bytes
HEARTBEAT = 30.0  # s
MAX_CONNECTIONS = 64  # of a port; each has a connection to the API server, so further ones are closed


class Forwards:
    """``host``: the address of this machine to listen on."""

    def __init__(self, cluster: Cluster, ports: Iterable[tuple[str, int]], host: str) -> None:
        self._cluster, self._ports, self._host = cluster, list(ports), host
        self._outer: dict[tuple[str, int], int] = {}
        self._connections: dict[tuple[str, int], set[asyncio.Task[None]]] = {address: set() for address in self._ports}

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            connector = aiohttp.TCPConnector(ssl=_tls(self._cluster), limit=0)
            self._client = await opened.enter_async_context(aiohttp.ClientSession(connector=connector, trust_env=True))
            opened.push_async_callback(self._disconnect)
            for pod, port in self._ports:
                opened.callback((await self._listen(pod, port)).close)
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    def url(self, pod: str, port: int) -> str:
        return f"http://{self._host}:{self._outer[pod, port]}"

    def multiaddr(self, pod: str, port: int) -> str:
        return f"/ip4/{self._host}/tcp/{self._outer[pod, port]}"

    # private

    async def _disconnect(self) -> None:
        tasks = [task for connections in self._connections.values() for task in connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, pod: str, port: int) -> asyncio.Server:
        connections = self._connections[pod, port]

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(connections) >= MAX_CONNECTIONS:
                writer.close()
                return
            task = asyncio.create_task(self._connect(pod, port, reader, writer))
            connections.add(task)
            task.add_done_callback(connections.discard)

        server = await asyncio.start_server(accept, sock=listen(self._host, 0))
        self._outer[pod, port] = server.sockets[0].getsockname()[1]
        return server

    async def _connect(self, pod: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side closes; a pod that is not there closes at once."""
        cluster = self._cluster
        path = f"/api/v1/namespaces/{cluster.namespace}/pods/{pod}/portforward?ports={port}"
        try:
            headers = await asyncio.to_thread(cluster.authorization)
            request = self._client.ws_connect(
                cluster.configuration.host + path,
                protocols=(PROTOCOL,),
                headers=headers,
                heartbeat=HEARTBEAT,
                max_msg_size=0,
            )
            async with request as socket:
                sending = asyncio.create_task(_send(reader, socket))
                try:
                    await _receive(socket, writer)
                finally:
                    sending.cancel()
                    with suppress(asyncio.CancelledError, OSError, aiohttp.ClientError):
                        await sending
        except (aiohttp.ClientError, OSError, TimeoutError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _send(reader: asyncio.StreamReader, socket: aiohttp.ClientWebSocketResponse) -> None:
    while part := await reader.read(CHUNK):
        await socket.send_bytes(DATA + part)
    await socket.close()


async def _receive(socket: aiohttp.ClientWebSocketResponse, writer: asyncio.StreamWriter) -> None:
    greeted = set[bytes]()  # the first message of each channel repeats the port
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.BINARY:
            return
        channel, content = message.data[:1], message.data[1:]
        if channel not in greeted:
            greeted.add(channel)
        elif channel != DATA:
            return  # nothing listens there
        else:
            writer.write(content)
            await writer.drain()


def _tls(cluster: Cluster) -> ssl.SSLContext:
    settings = cluster.configuration
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if not settings.verify_ssl:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
