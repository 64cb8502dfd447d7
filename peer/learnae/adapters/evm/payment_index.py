"""Payments for models to the peers' wallets, and gas that they spent, read from new blocks.

A payer does not announce a payment: the payee detects it as a transfer whose calldata are CIDs.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator

from learnae.adapters.evm.export import read_block
from learnae.adapters.evm.rpc import Node
from learnae.errors import PortError, Reason
from learnae.messages.ids import cids_from_calldata
from learnae.protocol.blockchain import Head
from learnae.protocol.types import Address, Cid, Wei
from learnae.records.chain_export import Block, ChainRecord, ChainTransaction

MAX_BLOCKS = 50  # per update, so that an update is short
CLOCK_TOLERANCE = 600  # s that the chain's clock may be behind


class PaymentIndex:
    """``since``: Unix seconds; older blocks are not read.  Several peers may share and update an index."""

    def __init__(self, node: Node, wallets: Iterable[Address], since: float) -> None:
        self._node, self._wallets, self._since = node, frozenset(wallets), since
        self._lock = asyncio.Lock()
        self._last: tuple[int, str] | None = None  # number and hash of the last block read
        self._next = 0
        self._payments: list[tuple[int, tuple[Cid, ...], ChainTransaction]] = []
        self._gas: dict[Address, Wei] = {}
        self._transactions = Counter[Address]()  # from and to each wallet

    def transactions(self, wallet: Address) -> int:
        """How many transactions from or to the wallet were read."""
        return self._transactions[wallet]

    def received(self, wallet: Address) -> Iterator[tuple[int, tuple[Cid, ...], ChainTransaction]]:
        """Block, models and transaction of each payment to the wallet."""
        return (payment for payment in self._payments if payment[2].to == wallet)

    def gas_spent(self, wallet: Address) -> Wei:
        return self._gas.get(wallet, Wei(0))

    async def update(self, head: Head) -> None:
        """Read up to ``MAX_BLOCKS`` new blocks; start over if the chain was replaced or rolled back.

        Raises PortError.
        """
        async with self._lock:
            if self._last is None:
                self._next = await self._first_block(head.height)
            elif head.height <= self._last[0]:  # another peer may have passed a later head
                if (head.height, head.hash) != self._last and not await self._is_on_chain(self._last):
                    self._reset()
                return
            for number in range(self._next, min(head.height + 1, self._next + MAX_BLOCKS)):
                header = await self._node.block(number, full=True)
                if self._last and header.parent != self._last[1]:
                    self._reset()
                    return
                for transaction in (await read_block(self._node, header, self._wallets)).transactions:
                    self._add(number, transaction)
                self._last, self._next = (number, header.hash), number + 1

    def close(self, chain: Iterable[ChainRecord]) -> None:
        """Replace the index by the export of the chain: the last blocks may not have been read."""
        self._reset()
        for record in chain:
            if isinstance(record, Block):
                for transaction in record.transactions:
                    self._add(record.number, transaction)

    # private

    def _reset(self) -> None:
        self._last = None
        self._payments.clear()
        self._gas.clear()
        self._transactions.clear()

    async def _is_on_chain(self, last: tuple[int, str]) -> bool:
        try:
            return (await self._node.block(last[0])).hash == last[1]
        except PortError as error:
            if error.reason is Reason.NOT_FOUND:
                return False
            raise

    async def _first_block(self, height: int) -> int:
        """The first block that is not older than ``since``."""
        low, high = 1, height
        while low < high:
            middle = (low + high) // 2
            if (await self._node.block(middle)).timestamp < self._since - CLOCK_TOLERANCE:
                low = middle + 1
            else:
                high = middle
        return low

    def _add(self, block: int, transaction: ChainTransaction) -> None:
        sender, data = transaction.sender, transaction.data
        self._transactions.update(party for party in {sender, transaction.to} if party)
        if sender in self._wallets:
            self._gas[sender] = Wei(self.gas_spent(sender) + transaction.gas_used * transaction.gas_price)
        if transaction.to in self._wallets and transaction.succeeded:
            if cids := cids_from_calldata(data):
                self._payments.append((block, cids, transaction))
