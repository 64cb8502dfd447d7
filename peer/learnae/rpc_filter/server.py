"""The HTTP server of the filter: POST of one JSON-RPC request; GET /healthz.

Answers are passed on while they arrive, so that they take no memory here.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus

from learnae.bounded_http import (
    MAX_HEAD,
    REQUEST_TIMEOUT,
    BoundedServer,
    InvalidRequest,
    Request,
    head,
    parse_headers,
    require_json,
    response,
)
from learnae.rpc_filter.requests import RefusedCall, checked

MAX_CONNECTIONS = 1024
MAX_CONNECTIONS_PER_ADDRESS = 64
NODE_TIMEOUT = 10.0  # s until the node's answer begins, and as long for each part; peers wait as long
MAX_ANSWER = 16 << 20  # bytes; peers read no more
CHUNK = 1 << 16  # bytes


class RpcFilter(BoundedServer):
    """``node``: host and port.  ``control``: addresses that always find a place."""

    def __init__(self, node: tuple[str, int], control: Collection[str] = (), timeout: float = REQUEST_TIMEOUT) -> None:
        super().__init__(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, timeout)
        self._node, self._control = node, control

    def protected(self, address: str) -> bool:
        return address in self._control

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        if method != "POST":
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, "send JSON-RPC requests with POST")
        require_json(headers)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.method == "GET":
            writer.write(response(HTTPStatus.OK, {"ok": True}))
            return
        try:
            passed = checked(request.body)
        except RefusedCall as refused:
            writer.write(response(HTTPStatus.OK, refused.answer))
            return
        try:
            async with self._asked(passed) as (length, answer):
                writer.write(head(HTTPStatus.OK, "application/json", length))
                await self._pass_on(answer, length, writer)
        except TimeoutError:
            raise InvalidRequest(HTTPStatus.GATEWAY_TIMEOUT, "the chain does not answer") from None
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
            raise InvalidRequest(HTTPStatus.BAD_GATEWAY, "the chain cannot be reached, or sent too much") from None

    # private

    @asynccontextmanager
    async def _asked(self, body: bytes) -> AsyncIterator[tuple[int, asyncio.StreamReader]]:
        """The length of the node's answer, and the answer.  Raises OSError, ValueError, EOFError, TimeoutError."""
        async with asyncio.timeout(NODE_TIMEOUT):
            reader, writer = await asyncio.open_connection(*self._node, limit=CHUNK)
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
                raise ValueError(first[:MAX_HEAD])
            yield length, reader
        finally:
            writer.transport.abort()

    async def _pass_on(self, answer: asyncio.StreamReader, length: int, writer: asyncio.StreamWriter) -> None:
        """Aborts the connection if the answer is not complete: the client has its beginning."""
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
