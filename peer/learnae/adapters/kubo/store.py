"""``ports.Store`` and ``ports.IdentityKey`` on one Kubo node.

The node is trusted, other peers are not: a block is accepted only if it has the CID that was requested.  A list of
chunks is checked before its chunks are fetched, so it cannot make a peer fetch more than the session's largest model.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from learnae.adapters.kubo.rpc import (
    DIAL_TIMEOUT,
    MAX_METRICS,
    KuboRpc,
    json_object,
    port_errors,
    text_field,
)
from learnae.ed25519 import verify_text
from learnae.errors import PortError, Reason
from learnae.messages.chunk_list import MAX_LIST, ChunkList, list_cid
from learnae.messages.foreign_json import from_json
from learnae.messages.wire import MAX_BLOCK, MAX_MODEL, cid_of
from learnae.protocol.types import Cid, PeerId

RAW_CID = "bafkrei"  # prefix of every CIDv1, raw, sha2-256
LIST_CID = "bafybei"  # of a list of chunks: CIDv1, dag-pb, sha2-256
AT_ONCE = 8  # chunks of one model
MAX_PINNED = 512 << 20  # bytes of large models: half of what a node's repository may hold (``resources/kubo.json``)
PIN_NAME = "learnae-model"  # of a large model, with when it was stored and its size: other pins are not ours to delete
SECONDS_PER_CHUNK = 1.0  # that a node may take to store one, in addition to the deadline of a call


class Kubo(KuboRpc):
    """The store and the key of one node.

    A ``get`` takes up to two attempts and two dials, limited by ``fetch_timeout``.  ``max_size``: bytes of a block.
    """

    max_size = MAX_MODEL
    _pinned: dict[Cid, int] | None = None  # sizes of the large models on the node, oldest first; None: not yet read

    async def put(self, block: bytes) -> Cid:
        """Store and pin a block, so that the node keeps and serves it.

        Of large models, also those of an earlier process, the newest ``MAX_PINNED`` bytes stay pinned; the node
        deletes others when it needs the space.
        """
        if len(block) > self.max_size:
            raise PortError(Reason.OVERSIZE, f"{len(block)} bytes")
        cid = cid_of(block)
        arguments = {"cid-version": "1", "raw-leaves": "true", "chunker": f"size-{MAX_BLOCK}", "pin": "true"}
        if len(block) > MAX_BLOCK:
            arguments["pin-name"] = f"{PIN_NAME} {time.time_ns()} {len(block)}"
        deadline = self.call_timeout + SECONDS_PER_CHUNK * (len(block) // MAX_BLOCK)
        added = await self.call("add", block, deadline, **arguments)
        if text_field(added, "Hash") != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"the node calls {cid} {added['Hash']}")
        if cid.startswith(LIST_CID):
            with suppress(PortError):  # models are pinned for longer than necessary
                await self._unpin_oldest(cid, len(block))
        return cid

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        """Fetch a block from any peer; the addresses in ``hints`` are dialled before each of two attempts."""
        if not cid.startswith((RAW_CID, LIST_CID)):
            raise PortError(Reason.MALFORMED, f"{cid} is the CID of neither a raw block nor a list of chunks")
        if cid.startswith(LIST_CID) and self.max_size <= MAX_BLOCK:
            raise PortError(Reason.OVERSIZE, f"{cid} is a list of chunks, and all blocks of this session are smaller")
        async with port_errors(self.fetch_timeout):
            await self.dial(hints)
            try:
                return await self._fetch(cid, self.fetch_timeout / 2)
            except PortError as error:
                if error.reason not in (Reason.TIMEOUT, Reason.NOT_FOUND):
                    raise
            await self.dial(hints)
            return await self._fetch(cid, self.fetch_timeout)

    async def dial(self, addresses: tuple[str, ...]) -> None:
        """Dial all permitted addresses at once until one answers.  An unreachable peer is not an error."""
        permitted = [address for address in addresses if self.dialling.permits(address)]
        if permitted:
            try:
                async with port_errors(min(DIAL_TIMEOUT, self.call_timeout)):
                    json_object(await self.client.swarm.connect(permitted))  # a list: the argument is repeated
            except PortError as error:
                if error.reason is Reason.UNREACHABLE:  # the node itself
                    raise

    async def sign(self, message: bytes) -> str:
        return text_field(await self.call("key/sign", message, key="self"), "Signature")

    def verify(self, peer: PeerId, message: bytes, signature: str) -> bool:
        return verify_text(peer, message, signature)

    async def _unpin_oldest(self, newest: Cid, size: int) -> None:
        if self._pinned is None:
            self._pinned = await self._read_pinned()
        self._pinned.pop(newest, None)
        self._pinned[newest] = size
        while sum(self._pinned.values()) > MAX_PINNED and len(self._pinned) > 1:
            del self._pinned[oldest := next(iter(self._pinned))]
            await self.call("pin/rm", arg=oldest)

    async def _read_pinned(self) -> dict[Cid, int]:
        """What this and earlier processes have named."""
        async with port_errors(self.call_timeout):
            answer = from_json((await self.post("pin/ls", MAX_METRICS, type="recursive", name=PIN_NAME)).decode())
        pins = []
        for cid, pin in json_object(json_object(answer).get("Keys") or {}).items():
            match text_field(pin, "Name").split():
                case [name, stored, size] if name == PIN_NAME and stored.isdecimal() and size.isdecimal():
                    pins.append((int(stored), Cid(cid), int(size)))
        return {cid: size for _, cid, size in sorted(pins)}

    async def _fetch(self, cid: Cid, deadline: float) -> bytes:
        """``deadline``: s for one chunk of several."""
        if cid.startswith(RAW_CID):
            return await self._fetch_raw(cid)
        block = await self.post("block/get", MAX_LIST, arg=cid)
        if list_cid(block) != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"{cid} is {list_cid(block)}")
        try:
            chunks = ChunkList.parse(block)
            if chunks.size > self.max_size:
                raise PortError(Reason.OVERSIZE, f"a list of {chunks.size} bytes")
            return chunks.join(await self._fetch_all(chunks.chunks, deadline))
        except ValueError as error:
            raise PortError(Reason.MALFORMED, str(error)) from None

    async def _fetch_all(self, cids: Sequence[Cid], deadline: float) -> list[bytes]:
        places = asyncio.Semaphore(AT_ONCE)

        async def fetch(cid: Cid) -> bytes:
            async with places:
                return await self._fetch_raw(cid, deadline)  # they share the link

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(fetch(cid)) for cid in cids]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _fetch_raw(self, cid: Cid, deadline: float | None = None) -> bytes:
        # the node stops reading after ``length`` bytes
        block = await self.post("cat", MAX_BLOCK, deadline=deadline, arg=cid, length=str(MAX_BLOCK + 1))
        if cid_of(block) != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"{cid} is {cid_of(block)}")
        return block
