"""Access control: who may read, and who may send commands.

- The ``Host`` header must name this server: loopback, the address of the connection, or a configured name.  Otherwise a
  page of a foreign domain that resolves to this machine could read everything (DNS rebinding).
- The ``Origin`` header must match the host, so that pages of other sites can neither read nor send commands.
- Commands need the bearer token, which is compared in constant time.  Without a token, commands are disabled.
- Bodies are limited by ``body_limits``, whatever their Content-Length says, before they are parsed.
- Requests without the token have a share of the event loop, ``loop_share``; those beyond it wait.
"""

import hmac
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send

from learnae.errors import InputError
from learnae.private_file import read_private
from learnae.web.api.body_limits import BodyLimits, RejectedBody
from learnae.web.api.loop_share import CONNECTION, EXPECTED, LoopShare
from learnae.web.api.problems import problem_response
from learnae.web.api.scrape_cost import measure

MIN_TOKEN = 16  # characters
LOOPBACK = ("127.0.0.1", "::1", "localhost")

bearer = HTTPBearer(auto_error=False, description="The content of the file given with --token-file.")


@dataclass(frozen=True)
class Guard:
    """``hosts``: names of this server besides loopback, without ports."""

    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()

    def check_token(self, request: Request) -> None:
        """Raises HTTPException: 403 if this server has no token, 401 if the request does not have the right one."""
        if self.token is None:
            raise HTTPException(403, "commands are disabled: start this server with --token-file")
        if not self.has_token(request.headers.get("authorization", "")):
            raise HTTPException(401, "commands need the bearer token of this server", {"WWW-Authenticate": "Bearer"})

    def has_token(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        matches = hmac.compare_digest(token.strip().encode(), (self.token or "").encode())
        return self.token is not None and scheme.lower() == "bearer" and matches

    def admits(self, host: str, address: str | None) -> bool:
        """Whether ``host``, a Host header, names this server; ``address``: the local address of the connection."""
        name = _name(host)
        return name is not None and (name in LOOPBACK or name in self.hosts or (name == address and _is_address(name)))


def read_token(path: Path) -> str:
    """The token in a file, on one line.  Raises InputError, which never quotes the content."""
    token = read_private(path).strip()
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{path} holds no token: put {MIN_TOKEN} or more letters and digits on one line")
    return token


class GuardMiddleware:
    """ASGI middleware that rejects requests before they reach the app."""

    def __init__(
        self, app: ASGIApp, guard: Guard, limits: BodyLimits | None = None, share: LoopShare | None = None
    ) -> None:
        self._app, self._guard = app, guard
        self._limits, self._share = limits or BodyLimits(), share or LoopShare()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        address = (scope.get("server") or (None,))[0]
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not self._guard.admits(host, address):
            rejection = problem_response(421, "unknown Host: use 127.0.0.1, or name the host when starting this server")
        elif origin is not None and origin.partition("://")[2] != host:
            rejection = problem_response(403, "requests from pages of other sites are not allowed")
        elif self._guard.has_token(headers.get(b"authorization", "")):
            await self._answer(scope, receive, send)
            return
        elif await self._share.admitted():
            self._share.use(EXPECTED)
            try:
                await measure(self._answer(scope, receive, send), self._share.use)
            finally:
                self._share.use(CONNECTION - EXPECTED)
            return
        else:
            rejection = problem_response(503, "too many requests: try again later", {"Connection": "close"})
        await rejection(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._limits.checked(scope["path"], receive) as checked:
                await self._app(scope, checked, send)
        except RejectedBody as error:
            await problem_response(error.status, str(error), error.headers)(scope, receive, send)


def _name(host: str) -> str | None:
    """The host without its port; None if it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_loopback(client: str) -> bool:
    """Whether a client's address is on loopback."""
    return _is_address(client) and ip_address(client).is_loopback


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
