"""A chain into the records of ``history``, block by block: what an audit needs after the node is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from learnae.adapters.evm.rpc import Header, Mined, Node, data, fixed, natural
from learnae.errors import PortError, Reason
from learnae.protocol.types import Address, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction, Genesis, StartingBalances

T = TypeVar("T")

WAITS = (1.0, 2.0, 4.0, 8.0)  # s before a node is asked again


async def export(
    node: Node, wallets: Iterable[Address], alloc: Mapping[Address, Wei] | None = None
) -> list[ChainRecord]:
    """Genesis, each block that is not empty, and what every account that took part holds in the end.

    ``alloc``: what the genesis block gave, if the caller made it; otherwise the node is asked, which one that was
    restarted from a saved state may not know.  Money that contracts passed on is not followed; tips are spent.
    """
    height = (await node.newest()).number
    genesis, blocks, miners = await node.block(0), [], set()
    for number in range(1, height + 1):
        header = await node.block(number, full=True)
        miners.add(header.miner)
        if header.transactions:
            blocks.append(await block(node, header))
    accounts = {Address(wallet.lower()) for wallet in wallets} | {Address(wallet.lower()) for wallet in alloc or ()}
    for written in blocks:
        for each in written.transactions:
            accounts |= {account for account in (each.sender, each.to, each.contract) if account}
    accounts -= miners
    if alloc is None:
        given = {account: await node.balance(account, 0) for account in sorted(accounts)}
    else:
        given = {Address(wallet.lower()): wei for wallet, wei in alloc.items()}
    held = {account: await node.balance(account, height) for account in sorted(accounts)}
    return [Genesis(genesis.hash, node.chain_id, given), *blocks, Balances(height, held)]


async def export_since(node: Node, opening: StartingBalances, until: int | None = None) -> list[ChainRecord]:
    """Of a chain with others on it: every block after ``opening``, with the transactions from or to its wallets alone.

    ``until``: the last one; otherwise the newest.  Nodes forget what was held before their last hundred or so.

    One question at a time, and patiently: public nodes count them.
    """
    wallets = opening.balances.keys()
    genesis = await _patiently(partial(node.block, 0))
    height = (await _patiently(node.newest)).number if until is None else until
    blocks, parent = list[Block](), opening.hash
    for number in range(opening.number + 1, height + 1):
        header = await _patiently(partial(node.block, number, full=True))
        if header.parent != parent:
            raise PortError(Reason.INVALID_RESPONSE, f"the chain moved while it was read: block {number}")
        blocks.append(await _patiently(partial(block, node, header, wallets)))
        parent = header.hash
    held = {wallet: await _patiently(partial(node.balance, wallet, height)) for wallet in wallets}
    return [Genesis(genesis.hash, node.chain_id, {}), opening, *blocks, Balances(height, held)]


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Again where the node was not there, or had been asked too much."""
    for wait in WAITS:
        try:
            return await ask()
        except PortError as error:
            if error.reason not in (Reason.UNREACHABLE, Reason.TIMEOUT):
                raise
        await asyncio.sleep(wait)
    return await ask()


async def block(node: Node, header: Header, of: Collection[Address] | None = None) -> Block:
    """With its transactions, which ``header`` must have; ``of``: only those from or to these.  Raises PortError."""
    transactions = []
    for fields in header.transactions:
        try:
            if of is not None and not {fixed(fields[end], 20) for end in ("from", "to") if fields[end]} & set(of):
                continue
            hash = TxHash(fixed(fields["hash"], 32))
            mined = await node.mined(hash)
            if mined is None or mined.block != header.number:
                raise PortError(Reason.INVALID_RESPONSE, f"the chain moved while it was read: block {header.number}")
            transactions.append(_transaction(hash, fields, mined))
        except (ValueError, TypeError, KeyError) as error:
            raise PortError(Reason.INVALID_RESPONSE, f"block {header.number}: {error}") from None
    return Block(header.number, header.hash, header.parent, header.timestamp, tuple(transactions))


def _transaction(hash: TxHash, fields: Mapping[str, Any], mined: Mined) -> ChainTransaction:
    """A transaction of a block and its receipt, as one record.  Raises ValueError, TypeError, KeyError."""
    return ChainTransaction(
        hash,
        Address(fixed(fields["from"], 20)),
        Address(fixed(fields["to"], 20)) if fields["to"] else None,
        natural(fields["nonce"]),
        Wei(natural(fields["value"])),
        mined.gas_used,
        mined.gas_price,
        "0x" + data(fields["input"]).hex(),
        mined.contract,
        mined.succeeded,
    )
