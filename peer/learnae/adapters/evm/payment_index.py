"""What wallets were paid for models and what they spent on gas, read from the chain's new blocks as they come.

A payer tells nobody that it paid: the payee learns it from transfers whose calldata is a CID.
"""

import asyncio
from base64 import b32encode
from collections.abc import Iterable, Iterator

from learnae.adapters.evm.export import block
from learnae.adapters.evm.rpc import Node
from learnae.errors import PortError, Reason
from learnae.protocol.types import Address, Cid, Head, Wei
from learnae.records.chain_export import Block, ChainRecord, ChainTransaction

CID_HEX = 2 + 2 * 36  # digits of calldata that is a CID
AT_ONCE = 50  # blocks in one look, so that nobody waits long for it
EARLY = 600  # s that the chain's clock may be behind ours


class PaymentIndex:
    """``since``: Unix seconds; nothing of interest is older.  Whoever shares one may look at any time."""

    def __init__(self, node: Node, wallets: Iterable[Address], since: float) -> None:
        self._node, self._wallets, self._since = node, frozenset(wallets), since
        self._lock = asyncio.Lock()
        self._last: tuple[int, str] | None = None  # number and hash of the block read last
        self._next = 0
        self._payments: list[tuple[int, Cid, ChainTransaction]] = []
        self._gas: dict[Address, Wei] = {}

    def received(self, wallet: Address) -> Iterator[tuple[int, Cid, ChainTransaction]]:
        """Block, model and transaction of each payment to it."""
        return ((block, cid, each) for block, cid, each in self._payments if each.to == wallet)

    def gas(self, wallet: Address) -> Wei:
        return self._gas.get(wallet, Wei(0))

    async def look(self, head: Head) -> None:
        """Read on, ``AT_ONCE`` blocks at most; begin anew if this is not the chain that was read.  Raises PortError."""
        async with self._lock:
            if self._last is None:
                self._next = await self._first(head.height)
            elif head.height <= self._last[0]:  # others may have looked at a later head
                if (head.height, head.hash) != self._last and not await self._stands(self._last):
                    self._begin()
                return
            for number in range(self._next, min(head.height + 1, self._next + AT_ONCE)):
                header = await self._node.block(number, full=True)
                if self._last and header.parent != self._last[1]:
                    self._begin()
                    return
                for each in (await block(self._node, header, self._wallets)).transactions:
                    self._enter(number, each)
                self._last, self._next = (number, header.hash), number + 1

    def close(self, chain: Iterable[ChainRecord]) -> None:
        """Instead of all that was read, what its export tells: the last blocks may not have been looked at."""
        self._begin()
        for record in chain:
            if isinstance(record, Block):
                for each in record.transactions:
                    self._enter(record.number, each)

    # in here

    def _begin(self) -> None:
        self._last = None
        self._payments.clear()
        self._gas.clear()

    async def _stands(self, last: tuple[int, str]) -> bool:
        try:
            return (await self._node.block(last[0])).hash == last[1]
        except PortError as error:
            if error.reason is Reason.NOT_FOUND:
                return False
            raise

    async def _first(self, height: int) -> int:
        """The oldest block that may be of interest."""
        low, high = 1, height
        while low < high:
            middle = (low + high) // 2
            if (await self._node.block(middle)).timestamp < self._since - EARLY:
                low = middle + 1
            else:
                high = middle
        return low

    def _enter(self, block: int, each: ChainTransaction) -> None:
        if each.sender in self._wallets:
            self._gas[each.sender] = Wei(self.gas(each.sender) + each.gas_used * each.gas_price)
        if each.to in self._wallets and each.succeeded and len(each.data) == CID_HEX:
            self._payments.append((block, cid_of(each.data), each))


def cid_of(data: str) -> Cid:
    """Of calldata: what ``chain.cid_bytes`` was made from."""
    return Cid("b" + b32encode(bytes.fromhex(data[2:])).decode().lower().rstrip("="))
