"""The ledger by itself, and the ledger against the debts.  All from the chain's export; without it they are unknown.

Where a chain was replaced by another in mid-session, the export is of one of them, mostly the last.  Wei are conserved
on each chain by itself, so that check knows the exported one alone.  What became final on another chain cannot be
looked up: it must not be on this one, too, and ``debts_signed_on_one_chain`` holds of all chains.

On a chain with others on it (``Opening``) the export has every block since the session began, without what others did
among themselves.  That nothing of the roster's is left out follows from nonces, balances and the blocks' links.
"""

from base64 import b32encode
from collections import Counter
from collections.abc import Iterator

from learnae.analysis.checks.result import chains_of_debts, check, debt_name, session_began
from learnae.protocol.decisions import ChainEntered, DebtState
from learnae.protocol.types import Address, TxHash
from learnae.records.chain_export import Balances, Block, ChainTransaction, Genesis
from learnae.records.history import History


def _genesis(history: History) -> Genesis:
    """Also makes sure that the export is whole: Balances is its last record."""
    if not history.exports(Genesis) or not history.exports(Balances):
        raise LookupError("the chain's export is missing or incomplete")
    return history.exports(Genesis)[0]


def _transactions(history: History) -> list[tuple[int, ChainTransaction]]:
    """With the numbers of their blocks."""
    _genesis(history)
    return [(block.number, each) for block in history.exports(Block) for each in block.transactions]


def unproven(history: History) -> list[str]:
    """A sentence for what no check here can know of a chain with others on it."""
    opening = history.starting_balances
    if opening is None:
        return []
    return [
        f"The chain has others on it: what its blocks hold besides, that block {opening.number} descends from the "
        f"genesis block, and what the wallets held as of block {opening.number} are the node's word."
    ]


def _wallets(history: History) -> dict[str, str]:
    return {entry.name: entry.wallet.lower() for entry in session_began(history).roster}


@check
def blocks_and_nonces_consecutive(history: History) -> Iterator[str]:
    """Blocks follow each other, and each wallet's nonces are 0, 1, 2 ...: none skipped, none spent twice.

    On a chain with others on it no block is left out up to the last, and strangers' nonces are their own affair.
    """
    opening = history.starting_balances
    last, hash = (opening.number, opening.hash) if opening else (0, _genesis(history).hash)
    for block in history.exports(Block):
        skips = opening is not None and block.number != last + 1
        if skips or block.number <= last or (block.number == last + 1 and block.parent != hash):
            yield f"block {block.number} does not follow block {last}"
        last, hash = block.number, block.hash
    nonces: Counter[Address] = Counter()
    for number, each in _transactions(history):
        if opening and each.sender not in opening.balances:
            continue
        if each.nonce != nonces[each.sender]:
            yield f"block {number} has nonce {each.nonce} of {each.sender}, not {nonces[each.sender]}"
        nonces[each.sender] += 1
    height = history.exports(Balances)[-1].height
    if opening and last != height:
        yield f"the export ends with block {last} and its balances are of block {height}"


@check
def wei_conserved(history: History) -> Iterator[str]:
    """What the genesis block gave is held or was spent on gas, and each balance is what the transfers make it.

    On a chain with others on it, which money may come from and go to: each balance of the roster's wallets.
    """
    opening = history.starting_balances
    if opening and opening.balances.keys() != set(_wallets(history).values()):
        yield f"the balances as of block {opening.number} are not those of the roster's wallets"
    alloc = opening.balances if opening else _genesis(history).alloc
    for export in history.exports(Balances):
        accounts = Counter({wallet.lower(): int(wei) for wallet, wei in alloc.items()})
        stated = Counter({wallet.lower(): int(wei) for wallet, wei in export.balances.items()})
        gas = 0
        for number, each in _transactions(history):
            if number <= export.height:
                fee = each.gas_used * each.gas_price
                gas += fee
                accounts[each.sender.lower()] -= fee + each.wei * each.succeeded
                accounts[(each.to or each.contract or "").lower()] += each.wei * each.succeeded
        for wallet in sorted(opening.balances if opening else accounts.keys() | stated.keys()):
            if accounts[wallet] != stated[wallet]:
                yield f"{wallet} holds {stated[wallet]} wei, not {accounts[wallet]}"
        if not opening and sum(alloc.values()) != sum(stated.values()) + gas:
            yield f"{sum(stated.values())} wei held and {gas} spent on gas are not the {sum(alloc.values())} of genesis"


@check
def debts_paid_once(history: History) -> Iterator[str]:
    """A transfer pays one debt and a debt is paid by one transfer, or by none if it is not FINAL on this chain.

    What was signed and not final when its chain was replaced is declined: that chain may hold it, no other may.
    """
    here, by_chain = _genesis(history).hash, chains_of_debts(history)
    acts_on = {record.peer: fact.genesis for record, fact in history.facts(ChainEntered)}  # in the end
    wallets, transactions = set(_wallets(history).values()), _transactions(history)
    owners: dict[TxHash, set[tuple[str, int]]] = {}
    for debt, changes in history.debts.items():
        for _, change in changes:
            if change.tx is not None:
                owners.setdefault(change.tx, set()).add(debt)
    paid: dict[tuple[str, int], list[TxHash]] = {}
    for number, each in transactions:
        if each.to is not None and each.sender.lower() in wallets:
            debts = owners.get(each.hash, set())
            if len(debts) != 1:
                yield f"transfer {each.hash} in block {number} belongs to {len(debts)} debts"
            for debt in debts if each.succeeded else ():
                paid.setdefault(debt, []).append(each.hash)
    for debt, changes in history.debts.items():
        last, hashes = changes[-1][1], paid.get(debt, [])
        elsewhere = by_chain[debt][-1] not in (None, here)
        given_up = not elsewhere and acts_on.get(debt[0], here) != here
        if len(hashes) > 1:
            yield f"{debt_name(*debt)} was paid {len(hashes)} times"
        elif last.state is DebtState.FINAL and not elsewhere:
            if hashes != [last.tx]:
                yield f"{debt_name(*debt)} is final, but its transaction {last.tx} is not on the chain"
        elif hashes and last.state.terminal and not given_up:
            yield f"{debt_name(*debt)} is {last.state}{' on another chain' if elsewhere else ''}, but was paid"


@check
def payments_match_debts(history: History) -> Iterator[str]:
    """The transaction on the chain says what the debt says: who, to whom, how much, for which model."""
    wallets = _wallets(history)
    mined = {each.hash: (number, each) for number, each in _transactions(history)}
    for (payer, debt), changes in history.debts.items():
        said = changes[-1][1]
        if said.tx in mined:
            number, each = mined[said.tx]
            pairs = {
                "sender": (each.sender.lower(), wallets[payer]),
                "payee": ((each.to or "").lower(), (said.payee or "").lower()),
                "wei": (each.wei, said.wei),
                "nonce": (each.nonce, said.nonce),
                "calldata": (_model(each.data), said.cid),
                "block": (number, said.block or number),
                "success": (each.succeeded, said.state is not DebtState.REFUSED),
            }
            for what, (found, stated) in pairs.items():
                if found != stated:
                    yield f"{debt_name(payer, debt)}: the chain has {what} {found}, the debt {stated}"


def _model(data: str) -> str:
    """The CID in a payment's calldata: its 36 bytes (raw, sha2-256) or its text."""
    payload = bytes.fromhex(data.removeprefix("0x"))
    if payload.startswith(b"\x01\x55\x12\x20") and len(payload) == 36:
        return "b" + b32encode(payload).decode().rstrip("=").lower()
    return payload.decode("ascii", "replace")
