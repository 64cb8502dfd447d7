"""``chain.jsonl``: the ledger at the end of a session, one record per line.  Pure.

It holds ``Genesis``, ``StartingBalances`` on an external chain, each ``Block`` in order, and ``Balances``.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from learnae.messages.codec import encode, to_json
from learnae.protocol.types import Address, TxHash, Wei


@dataclass(frozen=True, slots=True)
class Genesis:
    hash: str
    chain_id: int
    alloc: dict[Address, Wei]


@dataclass(frozen=True, slots=True)
class StartingBalances:
    """Follows ``Genesis`` on an external chain: balances of the roster's wallets at block ``number``.

    The export then has every later block, but only the transactions that are from or to these wallets.
    """

    number: int
    hash: str
    balances: dict[Address, Wei]


@dataclass(frozen=True, slots=True)
class ChainTransaction:
    """``wei`` moves only if ``succeeded``; ``gas_used * gas_price`` is always spent.  ``data`` is 0x and hex."""

    hash: TxHash
    sender: Address
    to: Address | None
    nonce: int
    wei: Wei
    gas_used: int
    gas_price: Wei
    data: str
    contract: Address | None
    succeeded: bool


@dataclass(frozen=True, slots=True)
class Block:
    """``timestamp`` is in Unix seconds of chain time.  Empty blocks may be missing."""

    number: int
    hash: str
    parent: str
    timestamp: int
    transactions: tuple[ChainTransaction, ...]


@dataclass(frozen=True, slots=True)
class Balances:
    height: int
    balances: dict[Address, Wei]


ChainRecord = Genesis | StartingBalances | Block | Balances


def chain_line(record: ChainRecord) -> str:
    return to_json(encode(record))


def gas_by_wallet(chain: Iterable[ChainRecord], priced: bool = False) -> Counter[Address]:
    """Units of gas that the transactions of each wallet have used; ``priced``: the wei that they cost."""
    used = Counter[Address]()
    for record in chain:
        for transaction in record.transactions if isinstance(record, Block) else ():
            used[transaction.sender] += transaction.gas_used * (transaction.gas_price if priced else 1)
    return used
