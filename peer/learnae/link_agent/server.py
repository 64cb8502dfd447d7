"""The HTTP API of a link agent: HTTP/1.1, one request per connection, JSON.

GET  /healthz       without a token; everything else requires the bearer token of the pod
GET  /v1/state      the rules in the kernel, the remaining lease, dropped packets, the abilities that were probed
GET  /v1/abilities  the same, after all abilities of the kernel were probed
PUT  /v1/state      replace the whole state until the lease ends (``request_schema``)
POST /v1/clear      remove all rules
GET  /v1/events     what was applied, cleared, expired, found and repaired, and when
"""

import asyncio
import hmac
from collections.abc import Callable, Mapping
from http import HTTPStatus

from learnae.bounded_http import REQUEST_TIMEOUT, BoundedServer, InvalidRequest, Request, require_json, response
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import PacketFilterRefused
from learnae.link_agent.request_schema import parse_request

MAX_CONNECTIONS = 32
MAX_CONNECTIONS_PER_ADDRESS = 8
METHODS = {
    "/healthz": ("GET",),
    "/v1/state": ("GET", "PUT"),
    "/v1/abilities": ("GET",),
    "/v1/clear": ("POST",),
    "/v1/events": ("GET",),
}


class LinkServer(BoundedServer):
    """``protected``: whether an address must not be cut; the sender of a request is always protected."""

    def __init__(
        self, agent: Agent, token: str, protected: Callable[[str], bool], timeout: float = REQUEST_TIMEOUT
    ) -> None:
        super().__init__(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, timeout)
        self.agent, self._token, self._protected = agent, token, protected

    def protected(self, address: str, port: int) -> bool:
        return self._protected(address)

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        allowed = METHODS.get(path)
        if allowed is None:
            raise InvalidRequest(HTTPStatus.NOT_FOUND, f"the paths are {', '.join(METHODS)}")
        if not self._authorized(headers.get("authorization", "")):
            raise InvalidRequest(HTTPStatus.UNAUTHORIZED, "the bearer token of the pod is required")
        if method not in allowed:
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, f"{path} accepts {' and '.join(allowed)}")
        if method == "PUT":
            require_json(headers)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(response(HTTPStatus.OK, await self._do(request)))
        except PacketFilterRefused as refused:
            why = f"the kernel refused and nothing was changed: {refused}"
            raise InvalidRequest(HTTPStatus.CONFLICT, why) from None

    # private

    async def _do(self, request: Request) -> dict[str, object]:
        agent = self.agent
        match request.method, request.path:
            case "GET", "/healthz":
                return {"ok": True}
            case "GET", "/v1/events":
                return {"events": list(agent.events)}
            case "GET", "/v1/abilities":
                await agent.probe()
            case "PUT", _:
                await agent.put(*parse_request(request.body, self._is_protected(request.sender)))
            case "POST", _:
                await agent.clear()
        return await agent.state()

    def _is_protected(self, sender: str) -> Callable[[str], bool]:
        return lambda address: address == sender or self._protected(address)

    def _authorized(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        equal = hmac.compare_digest(token.strip().encode(), self._token.encode())
        return scheme.lower() == "bearer" and equal
