"""``ports.Store`` and ``ports.IdentityKey`` on one Kubo node.

The node is trusted, other peers are not: a block is accepted only if it has the CID that was requested.
"""

from learnae.adapters.kubo.rpc import (
    DIAL_TIMEOUT,
    KuboRpc,
    json_object,
    port_errors,
    text_field,
)
from learnae.ed25519 import verify_text
from learnae.errors import PortError, Reason
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.protocol.types import Cid, PeerId

RAW_CID = "bafkrei"  # prefix of every CIDv1, raw, sha2-256


class Kubo(KuboRpc):
    """The store and the key of one node.

    A ``get`` takes up to two calls and two dials, limited by ``fetch_timeout``.
    """

    async def put(self, block: bytes) -> Cid:
        """Store and pin a block, so that the node keeps and serves it."""
        if len(block) > MAX_BLOCK:
            raise PortError(Reason.OVERSIZE)
        cid = cid_of(block)
        async with port_errors(self.call_timeout):
            added = await self.client.core.add_bytes(
                block, cid_version=1, raw_leaves=True, chunker=f"size-{MAX_BLOCK}", pin=True
            )
        if text_field(added, "Hash") != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"the node calls {cid} {added['Hash']}")
        return cid

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        """Fetch a block from any peer; the addresses in ``hints`` are dialled before each of two attempts."""
        if not cid.startswith(RAW_CID):
            raise PortError(Reason.MALFORMED, f"{cid} is not the CID of a raw block")
        async with port_errors(self.fetch_timeout):
            await self.dial(hints)
            try:
                return await self._fetch(cid)
            except PortError as error:
                if error.reason not in (Reason.TIMEOUT, Reason.NOT_FOUND):
                    raise
            await self.dial(hints)
            return await self._fetch(cid)

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

    async def _fetch(self, cid: Cid) -> bytes:
        # the node stops reading after ``length`` bytes
        block = await self.post("cat", MAX_BLOCK, arg=cid, length=str(MAX_BLOCK + 1))
        if cid_of(block) != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"{cid} is {cid_of(block)}")
        return block
