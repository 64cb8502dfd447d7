"""The REST interface of one HORNET node: a few calls, each with a deadline, every failure a ``PortError``."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from learnae.adapters.tangle.blocks import TAGGED_DATA, Block, from_hex, to_hex
from learnae.errors import PortError, Reason
from learnae.messages.foreign_json import from_json

MAX_ANSWER = 1 << 17  # bytes: a block has 32 KiB
RAW = "application/vnd.iota.serializer-v1"
PROTOCOL_VERSION = 2


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where one node is reached: its REST interface, and its bridge to MQTT."""

    url: str
    mqtt_host: str
    mqtt_port: int


class TangleRest:
    def __init__(self, url: str, session: aiohttp.ClientSession, timeout: float) -> None:
        self._url, self._session, self._timeout = f"{url}/api/core/v2/", session, timeout

    async def post(self, tag: bytes, data: bytes, parents: Iterable[bytes]) -> bytes:
        """Publish a block and return its id.  The same content with the same parents is the same block.

        Raises PortError: UNREACHABLE, TIMEOUT, INVALID_RESPONSE.
        """
        payload = {"type": TAGGED_DATA, "tag": to_hex(tag), "data": to_hex(data)}
        referred = [to_hex(parent) for parent in sorted(set(parents))]
        body = {"protocolVersion": PROTOCOL_VERSION, "parents": referred, "payload": payload}
        return _block_id(_field(await self._call("POST", "blocks", body), "blockId"))

    async def tips(self) -> list[bytes]:
        """Blocks without successors, or an empty list: a node that has just started knows none."""
        try:
            tips = _field(await self._call("GET", "tips"), "tips")
        except PortError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return []
        if not isinstance(tips, list):
            raise PortError(Reason.INVALID_RESPONSE, f"tips: {tips!r:.80}")
        return [_block_id(tip) for tip in tips]

    async def block(self, block_id: bytes) -> Block:
        """Raises PortError: NOT_FOUND, UNREACHABLE, TIMEOUT, INVALID_RESPONSE."""
        raw = await self._raw("GET", f"blocks/{to_hex(block_id)}", accept=RAW)
        try:
            block = Block.parse(raw)
        except ValueError as error:
            raise PortError(Reason.INVALID_RESPONSE, str(error)) from None
        if block.id != block_id:
            raise PortError(Reason.INVALID_RESPONSE, f"another block than {to_hex(block_id)}")
        return block

    async def is_solid(self, block_id: bytes) -> bool:
        """Whether the node has the block and everything that it refers to."""
        try:
            return _field(await self._call("GET", f"blocks/{to_hex(block_id)}/metadata"), "isSolid") is True
        except PortError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return False

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            return from_json(await self._raw(method, path, body))
        except (ValueError, RecursionError) as error:
            raise PortError(Reason.INVALID_RESPONSE, str(error)) from None

    async def _raw(
        self, method: str, path: str, body: dict[str, Any] | None = None, accept: str = "application/json"
    ) -> bytes:
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.request(method, self._url + path, json=body, headers={"Accept": accept}) as response,
            ):
                answer = await response.content.read(MAX_ANSWER + 1)
                while len(answer) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER)):
                    answer += more
        except TimeoutError:
            raise PortError(Reason.TIMEOUT, f"no answer in {self._timeout:g} s") from None
        except aiohttp.ClientConnectionError as error:
            raise PortError(Reason.UNREACHABLE, str(error)) from None
        except aiohttp.ClientError as error:
            raise PortError(Reason.INVALID_RESPONSE, str(error)) from None
        if response.status in (404, 503):  # 503: no tips, or not synchronised
            raise PortError(Reason.NOT_FOUND, f"{path}: HTTP {response.status}")
        if response.status not in (200, 201):
            raise PortError(Reason.INVALID_RESPONSE, f"{path}: HTTP {response.status} {answer[:200]!r}")
        if len(answer) > MAX_ANSWER:
            raise PortError(Reason.INVALID_RESPONSE, f"{path}: more than {MAX_ANSWER} bytes")
        return answer


def _field(answer: object, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        raise PortError(Reason.INVALID_RESPONSE, f"no {name} in {answer!r:.80}")
    return answer[name]


def _block_id(text: object) -> bytes:
    try:
        return from_hex(text)
    except ValueError as error:
        raise PortError(Reason.INVALID_RESPONSE, str(error)) from None
