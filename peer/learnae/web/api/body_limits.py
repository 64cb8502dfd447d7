"""Limits for the bodies of requests: size, time, number of JSON values, and the memory of all requests together.

They apply before a body is parsed, because anybody who can reach the address can send one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.types import Message, Receive

from learnae.messages.foreign_json import check_nesting

MAX_BODY = 1 << 20  # bytes of a prediction
MAX_OTHER_BODY = 4096  # bytes of any other request; none needs a body
MAX_VALUES = 1 << 17  # JSON values in a body, counted by the characters before them
VALUE_SIZE = 64  # bytes of memory of a value while it is parsed and checked
MAX_MEMORY = 16 << 20  # bytes of all requests that have a body
BODY_TIME = 10.0  # s until a body is complete
PREDICTION = "/v1/predict"  # end of the path


class RejectedBody(Exception):
    """An HTTP status and a sentence."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.headers = status, {"Connection": "close", **(headers or {})}


class BodyLimits:
    """The limits of one server."""

    def __init__(self, body_time: float = BODY_TIME) -> None:
        self._body_time = body_time
        self._memory = 0  # bytes in use

    @asynccontextmanager
    async def checked(self, path: str, receive: Receive) -> AsyncIterator[Receive]:
        """Read a body and provide it to the app.  Raises RejectedBody and leaves the rest unread."""
        body = _Body(self, MAX_BODY if path.endswith(PREDICTION) else MAX_OTHER_BODY)
        try:
            try:
                async with asyncio.timeout(self._body_time):
                    await body.read(receive)
            except TimeoutError:
                raise RejectedBody(408, f"the body was not complete after {self._body_time:g} s") from None
            yield _with_body(body.checked(), receive)
        finally:
            self._memory -= body.reserved

    def reserve(self, size: int) -> None:
        """Raises RejectedBody."""
        if self._memory + size > MAX_MEMORY:
            raise RejectedBody(503, "too many large requests at once: try again", {"Retry-After": "1"})
        self._memory += size


class _Body:
    """The body of one request.  ``reserved``: bytes of memory that it may take."""

    def __init__(self, limits: BodyLimits, max_size: int) -> None:
        self.reserved = 0
        self._limits, self._max_size = limits, max_size
        self._parts = bytearray()
        self._values = 0

    async def read(self, receive: Receive) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise RejectedBody(400, "the client left before the body was complete")
            self._add(message.get("body", b""))
            more = message.get("more_body", False)

    def checked(self) -> bytes:
        """The body, which is safe to parse."""
        try:
            if b"\0" in self._parts:  # the parser would take it for UTF-16 or UTF-32
                raise ValueError("the body is not UTF-8")
            body = bytes(self._parts)
            body.decode()
            check_nesting(body)
        except UnicodeDecodeError:
            raise RejectedBody(422, "the body is not UTF-8") from None
        except ValueError as error:
            raise RejectedBody(422, str(error)) from None
        return body

    def _add(self, part: bytes) -> None:
        values = sum(map(part.count, (b",", b":", b"[", b"{")))
        self._values += values
        if len(self._parts) + len(part) > self._max_size:
            raise RejectedBody(413, f"the body exceeds {self._max_size} bytes")
        if self._values > MAX_VALUES:
            raise RejectedBody(413, f"the body has more than {MAX_VALUES} values")
        size = len(part) + VALUE_SIZE * values
        self._limits.reserve(size)
        self.reserved += size
        self._parts += part


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Receive the body that was read, then later messages."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
