"""The HTTP API of a link agent: HTTP/1.1, one request per connection, JSON.

GET  /healthz      without a token; everything else requires the bearer token of the pod
GET  /v1/state     the rules in the kernel, the remaining lease, dropped packets, the abilities of the kernel
PUT  /v1/state     replace the whole state until the lease ends (``request_schema``)
POST /v1/clear     remove all rules
GET  /v1/events    what was applied, cleared, expired, found and repaired, and when
"""

import asyncio
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import PacketFilterRefused
from learnae.link_agent.request_schema import InvalidRequest, parse_request

REQUEST_TIMEOUT = 5.0  # s until a request has arrived
MAX_BODY = 1 << 16  # bytes
METHODS = {"/healthz": ("GET",), "/v1/state": ("GET", "PUT"), "/v1/clear": ("POST",), "/v1/events": ("GET",)}
UNREADABLE = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError, ValueError)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    sender: str


@dataclass
class LinkServer:
    """``protected``: whether an address must not be cut; the sender of a request is always protected."""

    agent: Agent
    token: str = field(repr=False)
    protected: Callable[[str], bool]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection and close it."""
        status, content = HTTPStatus.OK, dict[str, object]()
        try:
            sender = str(writer.get_extra_info("peername", ("",))[0])
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await _read_request(reader, sender)
            content = await self.answer(request)
        except InvalidRequest as refused:
            status, content = refused.status, {"title": refused.status.phrase, "detail": refused.why}
        except UNREADABLE:
            status = HTTPStatus.BAD_REQUEST
            content = {"title": status.phrase, "detail": "this is not an HTTP request"}
        kind = "application/json" if status == HTTPStatus.OK else "application/problem+json"
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        try:
            writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except ConnectionError:
            writer.close()

    async def answer(self, request: Request) -> dict[str, object]:
        """Raises InvalidRequest."""
        allowed = METHODS.get(request.path)
        if allowed is None:
            raise InvalidRequest(HTTPStatus.NOT_FOUND, f"the paths are {', '.join(METHODS)}")
        if request.path == "/healthz" and request.method in allowed:
            return {"ok": True}
        if not self._authorized(request.headers.get("authorization", "")):
            raise InvalidRequest(HTTPStatus.UNAUTHORIZED, "the bearer token of the pod is required")
        if request.method not in allowed:
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} accepts {' and '.join(allowed)}")
        try:
            return await self._do(request)
        except PacketFilterRefused as refused:
            raise InvalidRequest(
                HTTPStatus.CONFLICT, f"the kernel refused and nothing was changed: {refused}"
            ) from None

    async def _do(self, request: Request) -> dict[str, object]:
        agent = self.agent
        match request.method, request.path:
            case "GET", "/v1/events":
                return {"events": list(agent.events)}
            case "PUT", _:
                if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                    raise InvalidRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
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


async def _read_request(reader: asyncio.StreamReader, sender: str) -> Request:
    """Raises InvalidRequest, or one of ``UNREADABLE``."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "give the length of the body with Content-Length")
    if int(length) > MAX_BODY:
        raise InvalidRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is limited to {MAX_BODY} bytes")
    return Request(method, target.partition("?")[0], headers, await reader.readexactly(int(length)), sender)
