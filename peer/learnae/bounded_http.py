"""A small HTTP server whose clients cannot exhaust its memory: one request per connection, JSON.

Every pod reaches the servers that are built on it, and they run in containers with little memory.  So the number of
connections, the bytes held for each and their time are limited, and a body is read only after ``check``.
"""

import asyncio
import json
import signal
import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

REQUEST_TIMEOUT = 5.0  # s until a request has arrived, and as long for the client to take each part of the answer
MAX_HEAD = 1 << 13  # bytes
UNREADABLE = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError)


class InvalidRequest(Exception):
    """A request that is rejected: an HTTP status and a sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes
    sender: str
    protected: bool


class BoundedServer(ABC):
    """``max_connections`` of all addresses together, and as many again for protected ones, so that others cannot lock
    them out; ``max_per_address``: of one that is not protected."""

    max_body = 1 << 16  # bytes
    max_head = MAX_HEAD
    max_unread = 1 << 14  # bytes that the kernel holds for a connection; one read adds no more

    def __init__(self, max_connections: int, max_per_address: int, timeout: float = REQUEST_TIMEOUT) -> None:
        self.max_connections, self.max_per_address, self.timeout = max_connections, max_per_address, timeout
        self._connections = {True: Counter[str](), False: Counter[str]()}  # by whether the address is protected

    @abstractmethod
    def protected(self, address: str, port: int) -> bool:
        """Whether this sender has places of its own.  ``port``: the one at which it came."""

    @abstractmethod
    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raises InvalidRequest for what is refused without its body."""

    @abstractmethod
    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Write the response.  Raises InvalidRequest before anything is written."""

    async def listen(self, host: str, port: int) -> asyncio.Server:
        listener = socket.create_server((host, port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.max_unread)  # accepted connections inherit it
        return await asyncio.start_server(self.serve, sock=listener, limit=self.max_head)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection and close it."""
        sender = str(writer.get_extra_info("peername", ("",))[0])
        protected = self.protected(sender, writer.get_extra_info("sockname", ("", 0))[1])
        connections = self._connections[protected]
        full = not protected and connections[sender] >= self.max_per_address
        if full or connections.total() >= self.max_connections:
            writer.write(problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))
            writer.close()
            return
        connections[sender] += 1
        try:
            await self._respond(reader, writer, sender, protected)
            await self.flush(writer)
            writer.close()
            async with asyncio.timeout(self.timeout):
                await writer.wait_closed()
        except (ConnectionError, TimeoutError):
            pass  # the client has gone, or does not take the answer
        finally:
            writer.transport.abort()
            connections.subtract([sender])
            if not connections[sender]:
                del connections[sender]

    async def flush(self, writer: asyncio.StreamWriter) -> None:
        """Wait until the client has taken most of what was written.  Raises TimeoutError."""
        async with asyncio.timeout(self.timeout):
            await writer.drain()

    # private

    async def _respond(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sender: str, protected: bool
    ) -> None:
        try:
            try:
                async with asyncio.timeout(self.timeout):
                    request = await self._read_request(reader, sender, protected)
            except TimeoutError:
                why = f"a request must arrive within {self.timeout:g} s"
                raise InvalidRequest(HTTPStatus.REQUEST_TIMEOUT, why) from None
            except UNREADABLE:
                raise InvalidRequest(HTTPStatus.BAD_REQUEST, "this is not an HTTP request") from None
            await self.answer(request, writer)
        except InvalidRequest as refused:
            writer.write(problem(refused.status, refused.why))

    async def _read_request(self, reader: asyncio.StreamReader, sender: str, protected: bool) -> Request:
        """Raises InvalidRequest, or one of ``UNREADABLE``."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, version = first.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(version)
        path, headers = target.partition("?")[0], parse_headers(lines)
        if (method, path) == ("GET", "/healthz"):
            return Request(method, path, b"", sender, protected)
        self.check(method, path, headers)
        body = await reader.readexactly(_length(headers, self.max_body))
        return Request(method, path, body, sender, protected)


def parse_headers(lines: list[str]) -> dict[str, str]:
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def require_json(headers: Mapping[str, str]) -> None:
    """Raises InvalidRequest.  A web page of another site cannot send this type without asking first."""
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise InvalidRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")


def problem(status: HTTPStatus, detail: str) -> bytes:
    return response(status, {"title": status.phrase, "detail": detail})


def response(status: HTTPStatus, content: Mapping[str, object]) -> bytes:
    kind = "application/json" if status == HTTPStatus.OK else "application/problem+json"
    body = json.dumps(content).encode()
    return head(status, kind, len(body)) + body


def head(status: HTTPStatus, kind: str, length: int) -> bytes:
    lines = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
    return f"{lines}Connection: close\r\n\r\n".encode()


def _length(headers: Mapping[str, str], limit: int) -> int:
    """Of the body.  Raises InvalidRequest."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "give the length of the body with Content-Length")
    if len(length) > 12 or int(length) > limit:
        raise InvalidRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is limited to {limit} bytes")
    return int(length)


# for the programs around such a server


def address(text: str) -> tuple[str, int]:
    """An argument HOST:PORT.  Raises ValueError."""
    host, _, port = text.rpartition(":")
    return host, int(port)


def gateways() -> list[str]:
    """The addresses of this machine's gateways, from which it is controlled."""
    routes = [line.split() for line in Path("/proc/net/route").read_text(encoding="utf-8").splitlines()[1:]]
    return [socket.inet_ntoa(bytes.fromhex(route[2])[::-1]) for route in routes if route[2] != "00000000"]


def stop_signal() -> asyncio.Event:
    """Set once this process is asked to end."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
