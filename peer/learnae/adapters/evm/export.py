"""Exports a chain to records, block by block: the data for an audit after the node has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from learnae.adapters.evm.rpc import BlockHeader, MinedTransaction, Node, parse_bytes, parse_hex, parse_quantity
from learnae.errors import PortError, Reason
from learnae.protocol.types import Address, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction, Genesis, StartingBalances

T = TypeVar("T")

RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0)  # s


async def export(
    node: Node, wallets: Iterable[Address], alloc: Mapping[Address, Wei] | None = None
) -> list[ChainRecord]:
    """Export genesis, each block that is not empty, and the final balances of all participating accounts.

    ``alloc``: the balances in the genesis block, if the caller created it; otherwise the node is queried, which may not
    know them if it was restarted from a saved state.  Transfers by contracts are not tracked; tips count as spent.
    """
    height = (await node.newest_block()).number
    genesis, blocks, miners = await node.block(0), [], set()
    for number in range(1, height + 1):
        header = await node.block(number, full=True)
        miners.add(header.miner)
        if header.transactions:
            blocks.append(await read_block(node, header))
    accounts = {Address(wallet.lower()) for wallet in wallets} | {Address(wallet.lower()) for wallet in alloc or ()}
    for transaction in (transaction for block in blocks for transaction in block.transactions):
        accounts |= {account for account in (transaction.sender, transaction.to, transaction.contract) if account}
    accounts -= miners
    if alloc is None:
        initial = {account: await node.balance(account, 0) for account in sorted(accounts)}
    else:
        initial = {Address(wallet.lower()): wei for wallet, wei in alloc.items()}
    final = {account: await node.balance(account, height) for account in sorted(accounts)}
    return [Genesis(genesis.hash, node.chain_id, initial), *blocks, Balances(height, final)]


async def export_since(node: Node, opening: StartingBalances, until: int | None = None) -> list[ChainRecord]:
    """Export a shared chain: every block after ``opening``, with only the transactions from or to its wallets.

    ``until``: the last block; default: the newest.  Nodes keep balances of only about the last hundred blocks.
    Requests are sequential and repeated after delays, because public nodes limit their rate.
    """
    wallets = opening.balances.keys()
    genesis = await _retry(partial(node.block, 0))
    height = (await _retry(node.newest_block)).number if until is None else until
    blocks, parent = list[Block](), opening.hash
    for number in range(opening.number + 1, height + 1):
        header = await _retry(partial(node.block, number, full=True))
        if header.parent != parent:
            raise PortError(Reason.INVALID_RESPONSE, f"the chain moved while it was read: block {number}")
        blocks.append(await _retry(partial(read_block, node, header, wallets)))
        parent = header.hash
    held = {wallet: await _retry(partial(node.balance, wallet, height)) for wallet in wallets}
    return [Genesis(genesis.hash, node.chain_id, {}), opening, *blocks, Balances(height, held)]


async def _retry(request: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request while the node is unreachable or rejects it because of its rate limit."""
    for delay in RETRY_DELAYS:
        try:
            return await request()
        except PortError as error:
            if error.reason not in (Reason.UNREACHABLE, Reason.TIMEOUT):
                raise
        await asyncio.sleep(delay)
    return await request()


async def read_block(node: Node, header: BlockHeader, wallets: Collection[Address] | None = None) -> Block:
    """The block of a full header; ``wallets``: only with transactions from or to these.  Raises PortError."""
    transactions = []
    for fields in header.transactions:
        try:
            if wallets is not None and not _parties(fields) & set(wallets):
                continue
            hash = TxHash(parse_hex(fields["hash"], 32))
            mined = await node.receipt(hash)
            if mined is None or mined.block != header.number:
                raise PortError(Reason.INVALID_RESPONSE, f"the chain moved while it was read: block {header.number}")
            transactions.append(_transaction(hash, fields, mined))
        except (ValueError, TypeError, KeyError) as error:
            raise PortError(Reason.INVALID_RESPONSE, f"block {header.number}: {error}") from None
    return Block(header.number, header.hash, header.parent, header.timestamp, tuple(transactions))


def _parties(fields: Mapping[str, Any]) -> set[str]:
    return {parse_hex(fields[end], 20) for end in ("from", "to") if fields[end]}


def _transaction(hash: TxHash, fields: Mapping[str, Any], mined: MinedTransaction) -> ChainTransaction:
    """A transaction and its receipt as one record.  Raises ValueError, TypeError, KeyError."""
    return ChainTransaction(
        hash,
        Address(parse_hex(fields["from"], 20)),
        Address(parse_hex(fields["to"], 20)) if fields["to"] else None,
        parse_quantity(fields["nonce"]),
        Wei(parse_quantity(fields["value"])),
        mined.gas_used,
        mined.gas_price,
        "0x" + parse_bytes(fields["input"]).hex(),
        mined.contract,
        mined.succeeded,
    )
