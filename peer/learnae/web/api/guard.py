"""Who may ask, and who may command.

- The ``Host`` must be one of ours, or a page of somebody's own domain that resolves to this machine could read
  everything (DNS rebinding).  Ours are loopback, the address the connection came in at, and those named.
- A browser's ``Origin`` must be the host that is asked: no other site's page reads or commands.
- Commands need the bearer token, compared in constant time.  Without a token nobody commands.
- A body has at most ``LIMIT`` bytes, announced or not.
"""

import hmac
import os
import stat
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from learnae.errors import InputError
from learnae.web.api.problems import problem_response

LIMIT = 1 << 20  # bytes of a request's body
TOKEN = 16  # characters at least
LOOPBACK = ("127.0.0.1", "::1", "localhost")

bearer = HTTPBearer(auto_error=False, description="The token in the file given to --token-file.")


@dataclass(frozen=True)
class Guard:
    """``hosts``: names this server goes by, without ports, beside loopback."""

    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()

    def command(self, request: Request) -> None:
        """Raises HTTPException: 403 without a token here, 401 without the right one there."""
        if self.token is None:
            raise HTTPException(403, "this server takes no commands: start it with --token-file")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), self.token.encode())
        if scheme.lower() != "bearer" or not right:
            raise HTTPException(401, "a command needs the bearer token of this server", {"WWW-Authenticate": "Bearer"})

    def admits(self, host: str, at: str | None) -> bool:
        """Whether ``host``, a Host header, is a name of this server.  ``at``: the address the connection came in at."""
        name = _name(host)
        return name is not None and (name in LOOPBACK or name in self.hosts or (name == at and _is_address(name)))


def read_token(path: Path) -> str:
    """What ``--token-file`` holds, on one line.  Raises InputError, which does not quote it."""
    try:
        with open(path) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise InputError(f"{path} can be read by others: run chmod 600 on it")
            token = file.read(10_000).strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a file that holds the token") from None
    except UnicodeDecodeError:
        token = ""
    if len(token) < TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{path} holds no token: put {TOKEN} or more letters and digits on one line")
    return token


class GuardMiddleware:
    """ASGI middleware: what the guard refuses never reaches the app."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        at = (scope.get("server") or (None,))[0]
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not self._guard.admits(host, at):
            refusal = problem_response(
                421, "this server does not go by that Host: ask for 127.0.0.1, or name it when starting"
            )
        elif origin is not None and origin.partition("://")[2] != host:
            refusal = problem_response(403, "pages of other sites may not ask this server")
        else:
            body = await _body(receive)
            if body is not None:
                await self._app(scope, _replayed(body, receive), send)
                return
            refusal = problem_response(413, f"a body may have {LIMIT} bytes at most", {"Connection": "close"})
        await refusal(scope, receive, send)


async def _body(receive: Receive) -> bytes | None:
    """All of it; None: it is too large, and the rest was not read."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LIMIT:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes after it."""
    first: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again


def _name(host: str) -> str | None:
    """Without its port; None if that is no host."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_loopback(client: str) -> bool:
    """Whether that address is this machine's own."""
    return _is_address(client) and ip_address(client).is_loopback


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
