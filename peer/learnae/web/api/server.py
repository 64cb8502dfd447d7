"""An app on uvicorn, in the running event loop.

    sock = listen(*address("127.0.0.1:8080"))     # may be another port: see url(sock)
    async with serving(app, sock): ...            # or: await serve(app, sock)

Open event streams end with the server.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urlsplit

import uvicorn
from anyio import BrokenResourceError
from starlette.types import ASGIApp, Receive, Scope, Send

from learnae.errors import InputError
from learnae.web.api.connections import LimitedConnection

GRACE = 1  # s for open responses, including event streams, to end
BACKLOG = 128
LOOPBACK = "127.0.0.1"


class _UvicornServer(uvicorn.Server):
    """Leaves signals to the program that runs the event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Set the date of the answers once per second.  Uvicorn's own loop wakes a peer ten times as often."""
        while not await self.on_tick(0):  # noqa: ASYNC110 - nothing else happens that it could wait for
            await asyncio.sleep(1.0)


def address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, or of a port on loopback.  Raises InputError."""
    place = text if ":" in text else f":{text}"
    try:
        parts = urlsplit(f"//{place}")
        if parts.port is not None and parts.netloc == place and "@" not in place:
            return parts.hostname or LOOPBACK, parts.port
    except ValueError:
        pass
    raise InputError(f"{text} is not an address to listen on: give HOST:PORT, such as 127.0.0.1:8080")


def listen(host: str, port: int) -> socket.socket:
    """A socket on the port, or on a free one if the port is taken.  Raises InputError."""
    try:
        return _bound(host, port)
    except OSError:
        try:
            return _bound(host, 0)
        except OSError as error:
            raise InputError(f"cannot listen on {host}: {error.strerror}; give an address of this machine") from None


def url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: ASGIApp, sock: socket.socket) -> None:
    """Serve until cancelled; then close every connection within ``GRACE``."""
    config = uvicorn.Config(
        _ignoring_disconnects(app),
        http=LimitedConnection,
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE,
    )
    server = _UvicornServer(config)
    try:
        await server.serve([sock])
    finally:
        if server.started:
            await server.shutdown([sock])


@asynccontextmanager
async def serving(app: ASGIApp, sock: socket.socket) -> AsyncIterator[None]:
    """Serve during the context."""
    task = asyncio.create_task(serve(app, sock))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _ignoring_disconnects(app: ASGIApp) -> ASGIApp:
    """FastAPI raises an error when a client leaves an event stream, which is normal."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except* BrokenResourceError:
            pass

    return run


def _bound(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
