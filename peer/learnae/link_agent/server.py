"""How a link agent is asked.  HTTP/1.1, one request a connection, JSON.

GET  /healthz      to anybody; all else with the bearer token of the pod
GET  /v1/state     what the kernel has, what is left of the lease, what was dropped, what this kernel can do
PUT  /v1/state     the whole state from now on, on a lease (``wanted``)
POST /v1/clear     nothing is done any more
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
from learnae.link_agent.request_schema import InvalidRequest, read

PATIENCE = 5.0  # s that a request may take to arrive
MOST = 1 << 16  # bytes of a body
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
    """``protected``: addresses that nobody may have cut, beside that of whoever asks."""

    agent: Agent
    token: str = field(repr=False)
    protected: Callable[[str], bool]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; whatever it sends, it ends."""
        status, content = HTTPStatus.OK, dict[str, object]()
        try:
            sender = str(writer.get_extra_info("peername", ("",))[0])
            async with asyncio.timeout(PATIENCE):
                request = await _request(reader, sender)
            content = await self.answer(request)
        except InvalidRequest as refused:
            status, content = refused.status, {"title": refused.status.phrase, "detail": refused.why}
        except UNREADABLE:
            status = HTTPStatus.BAD_REQUEST
            content = {"title": status.phrase, "detail": "this is no request"}
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
        """Raises Refused."""
        allowed = METHODS.get(request.path)
        if allowed is None:
            raise InvalidRequest(HTTPStatus.NOT_FOUND, f"there are {', '.join(METHODS)}")
        if request.path == "/healthz" and request.method in allowed:
            return {"ok": True}
        if not self._commands(request.headers.get("authorization", "")):
            raise InvalidRequest(HTTPStatus.UNAUTHORIZED, "this needs the bearer token of the pod")
        if request.method not in allowed:
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.path} answers {' and '.join(allowed)}")
        try:
            return await self._do(request)
        except PacketFilterRefused as refused:
            raise InvalidRequest(HTTPStatus.CONFLICT, f"the kernel refused, nothing was changed: {refused}") from None

    async def _do(self, request: Request) -> dict[str, object]:
        agent = self.agent
        match request.method, request.path:
            case "GET", "/v1/events":
                return {"events": list(agent.events)}
            case "PUT", _:
                if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                    raise InvalidRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
                await agent.put(*read(request.body, self._kept(request.sender)))
            case "POST", _:
                await agent.clear()
        return await agent.state()

    def _kept(self, sender: str) -> Callable[[str], bool]:
        return lambda address: address == sender or self.protected(address)

    def _commands(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return scheme.lower() == "bearer" and right


async def _request(reader: asyncio.StreamReader, sender: str) -> Request:
    """Raises Refused, and what else makes it unreadable."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "say how long the body is, with Content-Length")
    if int(length) > MOST:
        raise InvalidRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {MOST} bytes")
    return Request(method, target.partition("?")[0], headers, await reader.readexactly(int(length)), sender)
