"""The fee pool with the stakes, computed again from the transactions on the chain.  Pure.

    for call in pool_calls(history): ...    # what each transaction to the pool did, in the order of the chain

It shares no code with the contract and with the model of it in the simulator: a report is a row of a table, and shares
are fractions until the one rounding of an income.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from learnae.protocol.blockchain import POOL
from learnae.protocol.settings import Defence
from learnae.protocol.types import Address, Wei
from learnae.records.chain_export import Block, ChainTransaction
from learnae.records.fold import once
from learnae.records.history import History
from learnae.session.fee_pool import depositors

WHOLE = 65_535  # shares of a fee
DEPOSIT, REPORT, WITHDRAWAL = "f340fa01", "9f3bfb9a", "3ccfd60b"
KINDS = {DEPOSIT: "deposit", REPORT: "report", WITHDRAWAL: "withdrawal"}


@dataclass(frozen=True, slots=True)
class Call:
    """One transaction to the pool.  ``shares``: that it reports; ``paid``: wei that its sender gets from the pool."""

    block: int
    transaction: ChainTransaction
    kind: str  # deposit, report, withdrawal, or empty
    succeeds: bool  # by the rules of the pool
    shares: Mapping[Address, int]
    paid: Wei  # its income and its stake
    stake: Wei  # of that, what it has deposited itself
    sources: Mapping[Address, Fraction]  # of the income
    contract: str  # the DPoID with which its sender becomes a member


@dataclass
class Replayed:
    """The state of the pool.  ``rows``: what each member has reported, by payee."""

    fee: Wei
    places: int
    window: int
    stake: Wei = Wei(0)
    dpoids: dict[str, Address] = field(default_factory=dict)  # wallets of the contracts on the chain
    deadline: int | None = None
    members: list[Address] = field(default_factory=list)
    rows: dict[Address, dict[Address, int]] = field(default_factory=dict)
    withdrawn: set[Address] = field(default_factory=set)

    def call(self, block: Block, transaction: ChainTransaction) -> Call:
        sender = Address(transaction.sender.lower())
        kind, words = _parsed(transaction.data)
        over = self._over(block.timestamp)
        known, free = sender in self.members, len(self.members) < self.places
        worth = self.fee + self.stake if kind == "deposit" else 0
        stake, contract = Wei(0), ""
        succeeds, shares, sources = transaction.wei == worth, dict[Address, int](), dict[Address, Fraction]()
        match kind:
            case "deposit":
                owned = self.dpoids.get(f"0x{words[0][24:]}") == sender
                succeeds = succeeds and owned and free and not known and not over
                if succeeds:
                    self.deadline = block.timestamp + self.window if self.deadline is None else self.deadline
                    self.members.append(sender)
                    contract = f"0x{words[0][24:]}"
            case "report":
                named = [(Address(f"0x{word[24:]}"), int(word[:24], 16)) for word in words]
                for payee, share in named:
                    shares[payee] = shares.get(payee, 0) + share
                fits = sum(shares.values()) <= WHOLE and sender not in shares
                succeeds = succeeds and fits and known and sender not in self.rows and not over
                if succeeds:
                    self.rows[sender] = {payee: share for payee, share in shares.items() if payee in self.members}
            case "withdrawal":
                succeeds = succeeds and known and sender not in self.withdrawn and over
                if succeeds:
                    self.withdrawn.add(sender)
                    sources, stake = self.sources(sender), self.stake
            case _:
                succeeds = False
        paid = Wei(_rounded(sources) + stake)
        return Call(block.number, transaction, kind, succeeds, shares, paid, stake, sources, contract)

    def income(self, member: Address) -> Wei:
        return _rounded(self.sources(member))

    def sources(self, member: Address) -> dict[Address, Fraction]:
        """What a member is paid of each fee, in wei: what is reported for it, and a part of what is left over.

        What the members of the half that it is not in have left over is divided within its own half.
        """
        if self.members == [member]:
            return {member: Fraction(self.fee)}
        halves = self.members[::2], self.members[1::2]
        own, other = halves if member in halves[0] else halves[::-1]
        table = [[self.rows.get(reporter, {}).get(payee, 0) for payee in own] for reporter in other]
        positive = sorted(value for row in table for value in row if value)
        limit = positive[(len(positive) - 1) // 2] if positive else 0
        profiles = [sum(min(row[column], limit) for row in table) for column in range(len(own))]
        part = Fraction(profiles[own.index(member)], sum(profiles)) if limit else Fraction(1, len(own))
        paid: dict[Address, Fraction] = {}
        for payer in self.members:
            row = self.rows.get(payer, {})
            left_over = WHOLE - sum(row.values()) if payer in other else 0
            paid[payer] = Fraction(self.fee, WHOLE) * (row.get(member, 0) + left_over * part)
        return paid

    def _over(self, now: int) -> bool:
        return self.deadline is not None and (now >= self.deadline or len(self.rows) == self.places)


def has_pool(history: History) -> bool:
    return history.session is not None and history.session.defence.deposit_wei > 0


def splits_fees(history: History) -> bool:
    """Whether a pool pays for models, in place of the peers."""
    return history.session is not None and history.session.defence.kind is Defence.PROFILES


@once
def pool_calls(history: History) -> list[Call]:
    """None if the session has no pool."""
    return list(_replayed(history))


def _replayed(history: History) -> Iterator[Call]:
    if (began := history.began) is None or not has_pool(history):
        return
    session, defence = began.session, began.session.defence
    pool = Replayed(defence.fee_wei, depositors(session), defence.window, defence.stake_wei)
    wallets = {wallet_of(entry.wallet) for entry in began.roster}
    for block in history.exports(Block):
        for transaction in block.transactions:
            sender = wallet_of(transaction.sender)
            if transaction.contract and transaction.succeeded and sender in wallets:
                pool.dpoids[transaction.contract.lower()] = sender
            if transaction.to == POOL:
                yield pool.call(block, transaction)


def wallet_of(wallet: str) -> Address:
    return Address(wallet.lower())


def _rounded(sources: Mapping[Address, Fraction]) -> Wei:
    return Wei(floor(sum(sources.values())))


def _parsed(data: str) -> tuple[str, list[str]]:
    """Kind and arguments (an address, or the entries of a report) of calldata, each in hexadecimal digits.

    As the ABI reads it: what follows the arguments is ignored; what does not fit is a call of no kind.
    """
    digits = data.removeprefix("0x").lower()
    kind, body = KINDS.get(digits[:8], ""), digits[8:]
    if kind == "deposit":
        words = _words(body, 0, 1)
        return (kind, words) if words and int(words[0], 16) < 2**160 else ("", [])
    if kind == "report":
        at = _number(body, 0)
        count = None if at is None else _number(body, at)
        entries = None if at is None or count is None else _words(body, at + 32, count)
        return ("", []) if entries is None else (kind, entries)
    return kind, []


def _number(body: str, at: int) -> int | None:
    """The word at byte ``at``."""
    words = _words(body, at, 1)
    return int(words[0], 16) if words else None


def _words(body: str, at: int, count: int) -> list[str] | None:
    """So many words from byte ``at`` on; None if there are fewer."""
    if (at + 32 * count) * 2 > len(body):
        return None
    return [body[start : start + 64] for start in range(2 * at, 2 * (at + 32 * count), 64)]
