"""What a link agent answers.  HTTP/1.1, one request a connection.

GET /healthz      to anybody
GET /v1/state     with the pod's bearer token: what is done to this link
"""

import asyncio
import hmac
import json
from dataclasses import dataclass, field
from http import HTTPStatus

PATIENCE = 5.0  # s that a request may take to arrive
HEAD = 8192  # bytes of its first line and headers

Answer = tuple[HTTPStatus, dict[str, object]]


@dataclass
class Agent:
    token: str = field(repr=False)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; whatever it sends, it ends."""
        try:
            async with asyncio.timeout(PATIENCE):
                status, content = self.answer(await reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError):
            status, content = _refused(HTTPStatus.BAD_REQUEST, "this is no request")
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\n"
        try:
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    def answer(self, head: bytes) -> Answer:
        """``head``: first line and headers of a request."""
        first, *lines = head[:HEAD].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        match first.split(" ")[:2]:
            case ["GET", "/healthz"]:
                return HTTPStatus.OK, {"ok": True}
            case ["GET", "/v1/state"]:
                if not self._commands(headers.get("authorization", "")):
                    return _refused(HTTPStatus.UNAUTHORIZED, "this needs the bearer token of the pod")
                return HTTPStatus.OK, {"faults": []}
            case _:
                return _refused(HTTPStatus.NOT_FOUND, "there is no such thing here")

    def _commands(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.token.encode())
        return scheme.lower() == "bearer" and right


def _refused(status: HTTPStatus, why: str) -> Answer:
    return status, {"title": status.phrase, "detail": why}
