"""HTTP connections of a server, limited in number and idle time: a peer needs descriptors for its own work."""

import asyncio
import resource
from functools import cache
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from learnae.web.api.guard import is_loopback

MAX_CONNECTIONS = 128
RESERVED = 16  # further connections from this machine, for health checks and for the page
REQUEST_TIME = 10.0  # s without a new request until a connection that has none in progress is closed


@cache
def max_connections() -> int:
    """Not more than a quarter of the descriptors of this process."""
    return min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


class LimitedConnection(H11Protocol):
    """Is closed if there are too many connections, and if the client is slow to send a request."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        limit = max_connections()
        client = transport.get_extra_info("peername")
        if client and is_loopback(client[0]):
            limit += RESERVED
        crowded = len(self.connections) >= limit
        super().connection_made(transport)
        if crowded:
            transport.abort()
        else:
            self._watch(None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer:
            self._timer.cancel()  # it would keep closed connections in memory

    def _watch(self, last_request: Any) -> None:
        self._timer = self.loop.call_later(REQUEST_TIME, self._close_if_idle, last_request)

    def _close_if_idle(self, last_request: Any) -> None:
        if self.transport.is_closing():
            return
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.cycle is last_request:
            self.transport.abort()
        else:
            self._watch(self.cycle)
