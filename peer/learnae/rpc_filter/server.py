"""The HTTP server of the filter: POST of one JSON-RPC request; GET /healthz.

Answers are passed on while they arrive, so that they take no memory here.
"""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from learnae.bounded_http import (
    REQUEST_TIMEOUT,
    BoundedServer,
    InvalidRequest,
    Request,
    head,
    parse_headers,
    require_json,
    response,
)
from learnae.rpc_filter.requests import SEND, RefusedCall, checked

MAX_CONNECTIONS = 256
MAX_CONNECTIONS_PER_ADDRESS = 16  # peers open no more
NODE_TIMEOUT = 10.0  # s until the node's answer begins, and as long for each part; peers wait as long
MAX_ANSWER = 16 << 20  # bytes; peers read no more
CHUNK = 1 << 12  # bytes; requests have no more, and of answers a few are held for a client that does not read
WINDOW = 10.0  # s in which one address may send so many:
MAX_REQUESTS = 2000
MAX_TRANSACTIONS = 200  # the node keeps those that it cannot mine yet


class RpcFilter(BoundedServer):
    """``node``: host and port.  ``control``: the host's addresses, which always find a place at the host's port.

    At another port they are counted like all others, because a pod that dials a published port comes from them, too.
    """

    max_body = max_head = max_unread = CHUNK

    def __init__(
        self,
        node: tuple[str, int],
        control: Collection[str] = (),
        timeout: float = REQUEST_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, timeout)
        self._node, self._control, self._clock = node, control, clock
        self._host_ports = set[int]()
        self._counts, self._window_end = Counter[tuple[str, bool]](), 0.0

    async def listen_to_host(self, host: str, port: int) -> asyncio.Server:
        server = await self.listen(host, port)
        self._host_ports.add(server.sockets[0].getsockname()[1])
        return server

    def protected(self, address: str, port: int) -> bool:
        return port in self._host_ports and address in self._control

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        if method != "POST":
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, "send JSON-RPC requests with POST")
        require_json(headers)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            writer.write(response(HTTPStatus.OK, {"ok": True}))
            return
        try:
            method, passed = checked(request.body)
        except RefusedCall as refused:
            writer.write(response(HTTPStatus.OK, refused.answer))
            return
        if not request.protected:
            self._count(request.sender, method == SEND)
        try:
            async with self._asked(passed) as (length, answer):
                writer.write(head(HTTPStatus.OK, "application/json", length))
                await self._pass_on(answer, length, writer)
        except TimeoutError:
            raise InvalidRequest(HTTPStatus.GATEWAY_TIMEOUT, "the chain does not answer") from None
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
            raise InvalidRequest(HTTPStatus.BAD_GATEWAY, "the chain cannot be reached, or sent too much") from None

    # private

    def _count(self, sender: str, sends: bool) -> None:
        """Raises InvalidRequest if the sender has used up this window."""
        now = self._clock()
        if now >= self._window_end:
            self._counts.clear()
            self._window_end = now + WINDOW
        self._counts[sender, sends] += 1
        limit = MAX_TRANSACTIONS if sends else MAX_REQUESTS
        if self._counts[sender, sends] > limit:
            raise InvalidRequest(HTTPStatus.TOO_MANY_REQUESTS, f"send at most {limit} of these in {WINDOW:g} s")

    @asynccontextmanager
    async def _asked(self, body: bytes) -> AsyncIterator[tuple[int, asyncio.StreamReader]]:
        """The length of the node's answer, and the answer.  Raises OSError, ValueError, EOFError, TimeoutError."""
        connection = socket.socket()
        for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):  # one read adds no more to what is held
            connection.setsockopt(socket.SOL_SOCKET, buffer, CHUNK)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(NODE_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(connection, self._node)
                reader, writer = await asyncio.open_connection(sock=connection, limit=CHUNK)
        except BaseException:
            connection.close()
            raise
        try:
            writer.write(
                b"POST / HTTP/1.1\r\nHost: chain\r\nContent-Type: application/json\r\nConnection: close\r\n"
                + f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            async with asyncio.timeout(NODE_TIMEOUT):
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            length = int(parse_headers(lines)["content-length"])
            if first.split(" ")[1:2] != ["200"] or not 0 <= length <= MAX_ANSWER:
                raise ValueError(first[:CHUNK])
            yield length, reader
        finally:
            writer.transport.abort()

    async def _pass_on(self, answer: asyncio.StreamReader, length: int, writer: asyncio.StreamWriter) -> None:
        """Aborts the connection if the answer is not complete: the client has its beginning."""
        writer.transport.set_write_buffer_limits(CHUNK)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, CHUNK)
        try:
            while length:
                async with asyncio.timeout(NODE_TIMEOUT):
                    part = await answer.read(min(CHUNK, length))
                if not part:
                    raise ConnectionError("the node's answer ended early")
                writer.write(part)
                length -= len(part)
                await self.flush(writer)
        except (OSError, TimeoutError):
            writer.transport.abort()
