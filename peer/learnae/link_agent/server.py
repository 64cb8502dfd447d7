"""The HTTP API of a link agent: HTTP/1.1, one request per connection, JSON.

GET  /healthz      without a token; everything else requires the bearer token of the pod
GET  /v1/state     the rules in the kernel, the remaining lease, dropped packets, the abilities of the kernel
PUT  /v1/state     replace the whole state until the lease ends (``request_schema``)
POST /v1/clear     remove all rules
GET  /v1/events    what was applied, cleared, expired, found and repaired, and when

The agent has little memory, and every pod reaches its port.  So the number of connections and the bytes held for each
are limited, and a body is read only after the token has been checked.
"""

import asyncio
import hmac
import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import PacketFilterRefused
from learnae.link_agent.request_schema import InvalidRequest, parse_request

REQUEST_TIMEOUT = 5.0  # s until a request has arrived, and as long for the client to take the answer
MAX_HEAD = 1 << 13  # bytes
MAX_BODY = 1 << 16  # bytes
MAX_UNREAD = 1 << 14  # bytes that the kernel holds for a connection; one read adds no more
MAX_CONNECTIONS = 32  # protected addresses have as many again, so that other pods cannot lock them out
MAX_CONNECTIONS_PER_ADDRESS = 8  # that is not protected
METHODS = {"/healthz": ("GET",), "/v1/state": ("GET", "PUT"), "/v1/clear": ("POST",), "/v1/events": ("GET",)}
UNREADABLE = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: bytes
    sender: str


@dataclass
class LinkServer:
    """``protected``: whether an address must not be cut; the sender of a request is always protected."""

    agent: Agent
    token: str = field(repr=False)
    protected: Callable[[str], bool]
    timeout: float = REQUEST_TIMEOUT

    def __post_init__(self) -> None:
        self._connections = {True: Counter[str](), False: Counter[str]()}  # by whether the address is protected

    async def listen(self, host: str, port: int) -> asyncio.Server:
        listener = socket.create_server((host, port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_UNREAD)  # accepted connections inherit it
        return await asyncio.start_server(self.serve, sock=listener, limit=MAX_HEAD)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection and close it."""
        sender = str(writer.get_extra_info("peername", ("",))[0])
        protected = self.protected(sender)
        connections = self._connections[protected]
        full = not protected and connections[sender] >= MAX_CONNECTIONS_PER_ADDRESS
        if full or connections.total() >= MAX_CONNECTIONS:
            writer.write(_problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))
            writer.close()
            return
        connections[sender] += 1
        try:
            response = await self._respond(reader, sender)
            async with asyncio.timeout(self.timeout):
                writer.write(response)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (ConnectionError, TimeoutError):
            pass  # the client has gone, or does not take the answer
        finally:
            writer.transport.abort()
            connections.subtract([sender])
            if not connections[sender]:
                del connections[sender]

    async def _respond(self, reader: asyncio.StreamReader, sender: str) -> bytes:
        try:
            async with asyncio.timeout(self.timeout):
                request = await self._read_request(reader, sender)
        except TimeoutError:
            return _problem(HTTPStatus.REQUEST_TIMEOUT, f"a request must arrive within {self.timeout:g} s")
        except InvalidRequest as refused:
            return _problem(refused.status, refused.why)
        except UNREADABLE:
            return _problem(HTTPStatus.BAD_REQUEST, "this is not an HTTP request")
        try:
            return _response(HTTPStatus.OK, await self._do(request))
        except InvalidRequest as refused:
            return _problem(refused.status, refused.why)
        except PacketFilterRefused as refused:
            return _problem(HTTPStatus.CONFLICT, f"the kernel refused and nothing was changed: {refused}")

    async def _read_request(self, reader: asyncio.StreamReader, sender: str) -> Request:
        """Raises InvalidRequest, or one of ``UNREADABLE``."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, target, version = first.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(version)
        path = target.partition("?")[0]
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if (method, path) == ("GET", "/healthz"):
            return Request(method, path, b"", sender)
        self._check(method, path, headers)
        return Request(method, path, await reader.readexactly(_length(headers)), sender)

    def _check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raises InvalidRequest for what is refused without its body."""
        allowed = METHODS.get(path)
        if allowed is None:
            raise InvalidRequest(HTTPStatus.NOT_FOUND, f"the paths are {', '.join(METHODS)}")
        if not self._authorized(headers.get("authorization", "")):
            raise InvalidRequest(HTTPStatus.UNAUTHORIZED, "the bearer token of the pod is required")
        if method not in allowed:
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} accepts {' and '.join(allowed)}")
        content_type = headers.get("content-type", "").partition(";")[0].strip()
        if method == "PUT" and content_type != "application/json":
            raise InvalidRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")

    async def _do(self, request: Request) -> dict[str, object]:
        agent = self.agent
        match request.method, request.path:
            case "GET", "/healthz":
                return {"ok": True}
            case "GET", "/v1/events":
                return {"events": list(agent.events)}
            case "PUT", _:
                await agent.put(*parse_request(request.body, self._is_protected(request.sender)))
            case "POST", _:
                await agent.clear()
        return await agent.state()

    def _is_protected(self, sender: str) -> Callable[[str], bool]:
        return lambda address: address == sender or self.protected(address)

    def _authorized(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        equal = hmac.compare_digest(token.strip().encode(), self.token.encode())
        return scheme.lower() == "bearer" and equal


def _length(headers: Mapping[str, str]) -> int:
    """Of the body.  Raises InvalidRequest."""
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "give the length of the body with Content-Length")
    if int(length) > MAX_BODY:
        raise InvalidRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is limited to {MAX_BODY} bytes")
    return int(length)


def _problem(status: HTTPStatus, detail: str) -> bytes:
    return _response(status, {"title": status.phrase, "detail": detail})


def _response(status: HTTPStatus, content: Mapping[str, object]) -> bytes:
    kind = "application/json" if status == HTTPStatus.OK else "application/problem+json"
    body = json.dumps(content).encode()
    head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
