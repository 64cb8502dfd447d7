"""The RPC of one Kubo node, through aioipfs, with deadlines and with every failure as a ``PortError``.

Plain HTTP is used only for what aioipfs lacks: ``key/sign``, an ``add`` of much data with a deadline, a ``cat`` that
stops at the maximum size of a block, a subscription that survives long lines, garbage and restarts of the node, and a
publication that can be cancelled (aioipfs first asks for the node's version and suppresses every exception meanwhile,
including cancellation).

Every call ends within its deadline.  A node that is down is UNREACHABLE at once, one that hangs is TIMEOUT.  aioipfs
ignores its own ``timeout=`` and returns None if a connection breaks: both become errors here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, Self

import aiohttp
import aioipfs

from learnae.adapters.kubo.dialing import DialPolicy
from learnae.errors import PortError, Reason
from learnae.messages.foreign_json import check_nesting, from_json
from learnae.messages.ids import public_key
from learnae.messages.multiaddr import Multiaddr
from learnae.messages.wire import MAX_ADDRESSES
from learnae.protocol.types import PeerId

CALL_TIMEOUT = 5.0  # s per call
DIAL_TIMEOUT = 2.0  # s to reach a peer
MAX_ANSWER = 1 << 16  # bytes of JSON
MAX_METRICS = 1 << 22  # bytes


class _Response(aiohttp.ClientResponse):
    """Limits and checks the JSON that aioipfs reads, including that of errors."""

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await read_body(self, MAX_ANSWER)
            check_nesting(self._body)
        return self._body

    async def json(self, **_: Any) -> Any:
        return from_json(await self.read())


class _Client(aioipfs.AsyncIPFS):  # type: ignore[misc]
    def get_session(self, conn_timeout: float = 1800.0, read_timeout: float = 600.0) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=conn_timeout, sock_read=read_timeout),
            response_class=_Response,
        )


class KuboRpc:
    """Calls to one node.  ``call_timeout``: s per call."""

    def __init__(self, client: aioipfs.AsyncIPFS, peer_id: PeerId, call_timeout: float) -> None:
        self.client, self.peer_id, self.call_timeout = client, peer_id, call_timeout
        self.fetch_timeout = 2 * (call_timeout + DIAL_TIMEOUT)
        self.dialling = DialPolicy()

    @classmethod
    async def connect(cls, host: str, port: int, call_timeout: float = CALL_TIMEOUT) -> Self:
        """Raises PortError: UNREACHABLE, TIMEOUT, INVALID_RESPONSE (not a Kubo node, or its key is not Ed25519)."""
        client = _Client(host=host, port=port)
        try:
            async with port_errors(call_timeout):
                peer = PeerId(text_field(await client.core.id(), "ID"))
                public_key(peer)
        except BaseException:
            await client.close()
            raise
        return cls(client, peer, call_timeout)

    async def close(self) -> None:
        await self.client.close()

    async def call(self, path: str, body: bytes | None = None, deadline: float | None = None, **arguments: str) -> Any:
        """Call a method without aioipfs and return its JSON, or None for an empty answer.

        ``deadline``: s; None: ``call_timeout``.
        """
        deadline = deadline or self.call_timeout
        async with port_errors(deadline):
            answer = await self.post(path, MAX_ANSWER, body, deadline, **arguments)
            return from_json(answer.decode()) if answer else None

    async def post(
        self, path: str, max_bytes: int, body: bytes | None = None, deadline: float | None = None, **arguments: str
    ) -> bytes:
        form = None
        if body is not None:
            form = aiohttp.FormData()
            form.add_field("data", BytesIO(body), filename="data")
        url = self.client.api_endpoint(path)
        async with (
            port_errors(deadline or self.call_timeout),
            self.client.session.post(url, params=arguments, data=form) as response,
        ):
            answer = await read_body(response, max_bytes)
            if response.status != 200:
                missing = path in ("cat", "block/get") and b"not found" in answer
                reason = Reason.NOT_FOUND if missing else Reason.INVALID_RESPONSE
                raise PortError(reason, f"{path}: HTTP {response.status} {answer[:200]!r}")
            return answer

    async def metrics(self) -> bytes:
        """The node's own metrics in Prometheus text format.

        Raises PortError: UNREACHABLE, TIMEOUT, INVALID_RESPONSE, OVERSIZE.
        """
        url = f"http://{self.client.host}:{self.client.port}/debug/metrics/prometheus"
        plain = {"Accept-Encoding": "identity"}  # local; compression takes as long as the page
        async with port_errors(self.call_timeout), self.client.session.get(url, headers=plain) as response:
            response.raise_for_status()
            return await read_body(response, MAX_METRICS)

    async def addresses(self) -> tuple[str, ...]:
        """The addresses at which other peers can dial the node, sorted; loopback only if there are no others."""
        async with port_errors(self.call_timeout):
            answer = json_object(await self.client.core.id()).get("Addresses")
        addresses = sorted(item for item in (answer if isinstance(answer, list) else ()) if isinstance(item, str))
        own = [address for address in map(_parsed, addresses) if address and address.peer == self.peer_id]
        external = [address for address in own if not address.host.is_loopback]
        return tuple(map(str, (external or own)[:MAX_ADDRESSES]))


def _parsed(text: str) -> Multiaddr | None:
    try:
        return Multiaddr.parse(text)
    except ValueError:
        return None


@asynccontextmanager
async def port_errors(call_timeout: float) -> AsyncIterator[None]:
    """Apply a deadline and raise the failures of an RPC as PortError."""
    try:
        async with asyncio.timeout(call_timeout):
            yield
    except TimeoutError:
        raise PortError(Reason.TIMEOUT, f"no answer in {call_timeout:g} s") from None
    except aiohttp.ClientConnectionError as error:
        raise PortError(Reason.UNREACHABLE, str(error)) from None
    except aioipfs.APIError as error:
        missing = "not found" in str(error.message)
        raise PortError(Reason.NOT_FOUND if missing else Reason.INVALID_RESPONSE, str(error.message)) from None
    except (aiohttp.ClientError, aioipfs.RPCAccessDenied, ValueError, RecursionError) as error:
        raise PortError(Reason.INVALID_RESPONSE, str(error)) from None


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read the body.  Raises PortError OVERSIZE as soon as it is too long, and leaves the rest unread."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise PortError(Reason.OVERSIZE, f"more than {max_bytes} bytes")
    return bytes(body)


def json_object(answer: object) -> dict[str, Any]:
    """The answer, checked to be a JSON object.  aioipfs returns None if the connection broke."""
    if answer is None:
        raise PortError(Reason.UNREACHABLE, "the connection broke")
    if not isinstance(answer, dict):
        raise PortError(Reason.INVALID_RESPONSE, f"{answer!r:.200}")
    return answer


def text_field(answer: object, field: str) -> str:
    """A text field of a JSON object."""
    value = json_object(answer).get(field)
    if not isinstance(value, str):
        raise PortError(Reason.INVALID_RESPONSE, f"no {field} in {answer!r:.200}")
    return value
