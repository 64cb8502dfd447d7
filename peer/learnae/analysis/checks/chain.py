"""Checks of the ledger, by itself and against the debts.  Without the chain's export they are unknown.

If the chain was replaced during the session, the export is of one chain, usually the last.  Wei are conserved on each
chain by itself, so that check covers the exported one.  A payment that became final on another chain cannot be looked
up: it must not be on the exported chain as well, and ``debts_signed_on_one_chain`` covers all chains.

On a shared chain (``StartingBalances``) the export has every block since the session began, without transactions among
other accounts.  Nonces, balances and the links between blocks show that no transaction of the roster is missing.
"""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from math import floor, inf

from learnae.analysis.checks.result import chains_of_debts, check, debt_name, session_began, session_of
from learnae.analysis.fee_pool import pool_calls
from learnae.messages.ids import cids_from_calldata
from learnae.protocol.blockchain import POOL
from learnae.protocol.decisions import ChainEntered, DebtChanged, DebtState, RolledBack
from learnae.protocol.settings import GWEI, Settle
from learnae.protocol.types import ETHER, Address, Cid, TxHash
from learnae.records.chain_export import Balances, Block, ChainTransaction, Genesis
from learnae.records.history import FaultBegan, FaultEnded, History, PeerCrashed, PeerRestarted
from learnae.session.faults import FaultKind

# How long after a chain's return peers may notice that they could not read it: the longer of these two.
NOTICED_WITHIN = 60.0  # s, several times the longest wait for an answer
NOTICED_POLLS = 10  # polls of the session


def _genesis(history: History) -> Genesis:
    """The genesis block; raises LookupError if the export is incomplete (its last record is Balances)."""
    if not history.exports(Genesis) or not history.exports(Balances):
        raise LookupError("the chain's export is missing or incomplete")
    return history.exports(Genesis)[0]


def _transactions(history: History) -> list[tuple[int, ChainTransaction]]:
    """Transactions with the numbers of their blocks."""
    _genesis(history)
    return [(block.number, tx) for block in history.exports(Block) for tx in block.transactions]


def unproven(history: History) -> list[str]:
    """What the checks cannot prove on a shared chain, in a sentence."""
    opening = history.starting_balances
    if opening is None:
        return []
    return [
        f"On a shared chain the checks rely on the node for the transactions of other accounts, for the balances as of "
        f"block {opening.number}, and for that block's descent from the genesis block."
    ]


def _wallets(history: History) -> dict[str, str]:
    return {entry.name: entry.wallet.lower() for entry in session_began(history).roster}


@check
def blocks_and_nonces_consecutive(history: History) -> Iterator[str]:
    """Blocks follow each other, and each wallet's nonces are 0, 1, 2 ... without gaps or duplicates.

    On a shared chain every block up to the last is exported; nonces of other accounts are not checked.
    """
    opening = history.starting_balances
    last, hash = (opening.number, opening.hash) if opening else (0, _genesis(history).hash)
    for block in history.exports(Block):
        skips = opening is not None and block.number != last + 1
        if skips or block.number <= last or (block.number == last + 1 and block.parent != hash):
            yield f"block {block.number} does not follow block {last}"
        last, hash = block.number, block.hash
    nonces: Counter[Address] = Counter()
    for number, tx in _transactions(history):
        if opening and tx.sender not in opening.balances:
            continue
        if tx.nonce != nonces[tx.sender]:
            yield f"block {number} has nonce {tx.nonce} of {tx.sender}, not {nonces[tx.sender]}"
        nonces[tx.sender] += 1
    height = history.exports(Balances)[-1].height
    if opening and last != height:
        yield f"the export ends with block {last}, but its balances are of block {height}"


@check
def wei_conserved(history: History) -> Iterator[str]:
    """The genesis balances are held or spent on gas; each balance follows from the transfers and the fee pool's rules.

    On a shared chain, where other accounts take part, only the balances of the roster's wallets are checked.
    """
    opening = history.starting_balances
    if opening and opening.balances.keys() != set(_wallets(history).values()):
        yield f"the balances as of block {opening.number} do not belong to the roster's wallets"
    alloc = opening.balances if opening else _genesis(history).alloc
    paid = {call.transaction.hash: call.paid for call in pool_calls(history)}
    for export in history.exports(Balances):
        accounts = Counter({wallet.lower(): int(wei) for wallet, wei in alloc.items()})
        stated = Counter({wallet.lower(): int(wei) for wallet, wei in export.balances.items()})
        gas = 0
        for number, tx in _transactions(history):
            if number <= export.height:
                fee = tx.gas_used * tx.gas_price
                gas += fee
                accounts[tx.sender.lower()] -= fee + tx.wei * tx.succeeded
                accounts[(tx.to or tx.contract or "").lower()] += tx.wei * tx.succeeded
                if tx.succeeded and tx.hash in paid:
                    accounts[tx.sender.lower()] += paid[tx.hash]
                    accounts[POOL] -= paid[tx.hash]
        for wallet in sorted(opening.balances if opening else accounts.keys() | stated.keys()):
            if accounts[wallet] != stated[wallet]:
                yield f"{wallet} holds {stated[wallet]} wei, not {accounts[wallet]}"
        if not opening and sum(alloc.values()) != sum(stated.values()) + gas:
            total = f"{sum(stated.values())} wei held and {gas} wei of gas"
            yield f"{total} do not add up to the {sum(alloc.values())} wei of the genesis block"


@check
def debts_paid_once(history: History) -> Iterator[str]:
    """Each transfer pays one debt, or several of one payer if payments are batched or debts are reported to the fee
    pool, and each final debt is paid by one transfer.

    A debt that was signed but not final when its chain was replaced is declined: the old chain may hold its payment,
    no other may.  A peer that was down when the chain rolled back, and never came back, cannot pay again.
    """
    here, by_chain, excused = _genesis(history).hash, chains_of_debts(history), _missed_a_rollback(history)
    acts_on = {record.peer: fact.genesis for record, fact in history.facts(ChainEntered)}  # in the end
    wallets, transactions = {wallet: name for name, wallet in _wallets(history).items()}, _transactions(history)
    batched = session_of(history).payment.settle is Settle.BATCHED
    pool = {call.transaction.hash: call.kind == "report" for call in pool_calls(history)}
    owners: dict[TxHash, set[tuple[str, int]]] = {}
    for debt, changes in history.debts.items():
        for _, change in changes:
            if change.tx is not None:
                owners.setdefault(change.tx, set()).add(debt)
    paid: dict[tuple[str, int], list[TxHash]] = {}
    for number, tx in transactions:
        if tx.to is not None and tx.sender.lower() in wallets:
            debts = owners.get(tx.hash, set())
            several = pool.get(tx.hash, batched) and {payer for payer, _ in debts} == {wallets[tx.sender.lower()]}
            if len(debts) != (tx.hash not in pool) and not several:
                yield f"transfer {tx.hash} in block {number} belongs to {len(debts)} debts"
            for debt in debts if tx.succeeded else ():
                paid.setdefault(debt, []).append(tx.hash)
    for debt, changes in history.debts.items():
        last, hashes = changes[-1][1], paid.get(debt, [])
        elsewhere = by_chain[debt][-1] not in (None, here)
        given_up = not elsewhere and acts_on.get(debt[0], here) != here
        if len(hashes) > 1:
            yield f"{debt_name(*debt)} was paid {len(hashes)} times"
        elif last.state is DebtState.FINAL and not elsewhere:
            if hashes != [last.tx] and (hashes or debt[0] not in excused):
                yield f"{debt_name(*debt)} is final, but its transaction {last.tx} is not on the chain"
        elif hashes and last.state.terminal and not given_up:
            yield f"{debt_name(*debt)} is {last.state}{' on another chain' if elsewhere else ''}, but was paid"


def _missed_a_rollback(history: History) -> set[str]:
    """Peers that were down when the chain rolled back, and stayed down.

    A peer that restarts checks the chain again and records a rollback, which alone does not prove one.  So does each
    peer that could not read a paused or stopped chain, which returns with all of its blocks, soon after its return.
    Without such a fault, a chain that did not answer cannot be distinguished from one that lost blocks.
    """
    down, missed, restarted = set[str](), set[str](), set[str]()
    paused = set[int]()  # windows of faults
    unread: dict[str, float] = {}  # until when a peer may record that it could not read the chain
    noticed_within = max(NOTICED_WITHIN, NOTICED_POLLS * session_of(history).chain.poll)
    for record in history.of(PeerCrashed, PeerRestarted, RolledBack, FaultBegan, FaultEnded):
        match record.fact:
            case PeerCrashed():
                down.add(record.peer)
            case PeerRestarted():
                down.discard(record.peer)
                restarted.add(record.peer)
            case FaultBegan(window=window, fault=FaultKind.CHAIN_PAUSE | FaultKind.CHAIN_STOP):
                paused.add(window)
                unread = dict.fromkeys(history.roster, inf)
            case FaultEnded(window=window) if paused == {window}:
                unread = dict.fromkeys(unread, record.t + noticed_within)
                paused.clear()
            case FaultEnded(window=window):
                paused.discard(window)
            case FaultBegan(fault=FaultKind.CHAIN_KILL):
                restarted.clear()  # the next rollback that is recorded is a real one
                unread.clear()
                missed |= down
            case RolledBack() if record.peer in restarted or record.t <= unread.get(record.peer, -inf):
                restarted.discard(record.peer)
                unread.pop(record.peer, None)
            case RolledBack():
                missed |= down
    return missed & down


@check
def payments_match_debts(history: History) -> Iterator[str]:
    """A payment on the chain has the payer and payee of its debts, their sum and their models.

    ``reports_follow_debts`` compares what a report to the fee pool says.
    """
    wallets = _wallets(history)
    mined = {tx.hash: (number, tx) for number, tx in _transactions(history)}
    last = {debt: changes[-1][1] for debt, changes in history.debts.items()}
    covered: dict[TxHash, list[DebtChanged]] = {}  # in the order of their numbers
    for debt in last.values():
        if debt.tx in mined:
            covered.setdefault(debt.tx, []).append(debt)
    for (payer, number), debt in last.items():
        if debt.tx in mined:
            block, tx = mined[debt.tx]
            together = covered[debt.tx]
            pairs = {
                "sender": (tx.sender.lower(), wallets[payer]),
                "payee": ((tx.to or "").lower(), (debt.payee or "").lower()),
                "wei": (tx.wei, sum(other.wei for other in together)),
                "nonce": (tx.nonce, debt.nonce),
                "calldata": (_models(tx.data), " ".join(other.cid for other in together)),
                "block": (block, debt.block or block),
                "success": (tx.succeeded, debt.state is not DebtState.REFUSED),
            }
            if tx.to == POOL:
                pairs = {
                    field: pair for field, pair in pairs.items() if field in ("sender", "nonce", "block", "success")
                }
            for field, (actual, expected) in pairs.items():
                if actual != expected:
                    yield f"{debt_name(payer, number)}: {field} is {actual} on the chain, {expected} in the debt"


@check
def gas_within_limits(history: History) -> Iterator[str]:
    """No transaction of a peer cost more per gas than the session allows, and no peer spent more on gas in total."""
    limits = session_of(history).chain
    max_fee, cap = floor(Fraction(limits.max_fee) * GWEI), floor(Fraction(limits.gas_cap) * ETHER)
    names = {wallet: name for name, wallet in _wallets(history).items()}
    spent: Counter[str] = Counter()
    for number, tx in _transactions(history):
        name = names.get(tx.sender.lower())
        if name is not None:
            spent[name] += tx.gas_used * tx.gas_price
            if tx.gas_price > max_fee:
                yield f"{name} paid {tx.gas_price} wei per gas in block {number}, above the limit of {max_fee}"
    for name, wei in spent.items():
        if wei > cap:
            yield f"{name} spent {wei} wei on gas, above the cap of {cap}"


def model_transfers(history: History) -> Iterator[tuple[int, Address, Address, tuple[Cid, ...], int]]:
    """Block, payer, payee, models and wei of each mined transfer that pays for models."""
    for number, tx in _transactions(history):
        models = cids_from_calldata(tx.data) if tx.to and tx.to != POOL and tx.succeeded and tx.wei else ()
        if tx.to and models:
            yield number, Address(tx.sender.lower()), Address(tx.to.lower()), models, tx.wei


def _models(data: str) -> str:
    """The CIDs in a payment's calldata, or what else it says."""
    return " ".join(cids_from_calldata(data)) or bytes.fromhex(data.removeprefix("0x")).decode("ascii", "replace")
