"""Who paid whom, and each peer's account.  Only payments that stayed final count."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from learnae.analysis.fee_pool import pool_calls
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.policies import Policy
from learnae.protocol.settings import Defence
from learnae.protocol.types import ETHER, Address, TxHash, Wei
from learnae.records.chain_export import Block
from learnae.records.history import Evaluated, History, RosterEntry

OUTSIDE = "outside the swarm"  # a wallet of no peer in the roster
CHEATS = "cheats"


@dataclass(frozen=True)
class Flow:
    """The total that one peer paid another."""

    payer: str
    payee: str
    count: int
    wei: Wei

    @property
    def ether(self) -> float:
        return self.wei / ETHER


@dataclass(frozen=True)
class Account:
    """A peer's role, money and the accuracy of its last model.  Gas is that of all its transactions."""

    name: str
    kind: str  # a ``Role``, or CHEATS
    role: str  # the kind in more words: the policy of a cheat, whether the peer wants payment
    sent: int
    sent_ether: float
    received: int
    received_ether: float
    gas_ether: float
    test: float | None
    validation: float | None

    @property
    def net_ether(self) -> float:
        """Before gas."""
        return self.received_ether - self.sent_ether


def final_payments(history: History) -> Iterator[tuple[float, str, str, Wei]]:
    """When each payment became final, payer, payee and amount; by payer, in the order of its debts.

    A payment may be for several debts.  With a fee pool, each withdrawal is a payment by those whose fees it is from.
    The chain does not have its time in the session, so it counts as made at the end.
    """
    wallets = {entry.wallet: entry.name for entry in history.roster.values()}
    if history.began and history.began.session.defence.kind is Defence.PROFILES:
        for call in pool_calls(history):
            if call.transaction.succeeded:
                for source, wei in _whole_parts(call.sources).items():
                    yield history.seconds, wallets[source], wallets[call.transaction.sender], wei
        return
    paid: dict[tuple[str, TxHash | None], list[tuple[float, DebtChanged]]] = {}
    for (payer, _), changes in history.debts.items():
        at, debt = changes[-1]
        if debt.state is DebtState.FINAL and debt.payee:
            paid.setdefault((payer, debt.tx), []).append((at, debt))
    for (payer, _), debts in paid.items():
        at, debt = debts[-1]
        assert debt.payee
        yield at, payer, wallets.get(debt.payee, OUTSIDE), Wei(sum(each.wei for _, each in debts))


def earned_with_rows(history: History) -> Counter[str]:
    """The wei that each peer received for its row blocks."""
    wallets = {entry.wallet: entry.name for entry in history.roster.values()}
    earned = Counter[str]()
    for changes in history.debts.values():
        debt = changes[-1][1]
        if debt.shares and debt.payee and debt.state is DebtState.FINAL:
            earned[wallets.get(debt.payee, OUTSIDE)] += debt.wei
    return earned


def flows(history: History) -> list[Flow]:
    paid: dict[tuple[str, str], list[int]] = {}
    for _, payer, payee, wei in final_payments(history):
        paid.setdefault((payer, payee), []).append(wei)
    return [Flow(payer, payee, len(wei), Wei(sum(wei))) for (payer, payee), wei in sorted(paid.items())]


def flows_by_peer(history: History) -> tuple[dict[str, list[Flow]], dict[str, list[Flow]]]:
    """What each peer of the roster sent, and what it received."""
    sent: dict[str, list[Flow]] = {name: [] for name in history.roster}
    received: dict[str, list[Flow]] = {name: [] for name in history.roster}
    for flow in flows(history):
        sent[flow.payer].append(flow)
        received.setdefault(flow.payee, []).append(flow)
    return sent, received


def gas_by_wallet(history: History) -> Counter[Address]:
    """The wei that the transactions of each wallet cost, by the chain's export."""
    gas: Counter[Address] = Counter()
    for block in history.exports(Block):
        for transaction in block.transactions:
            gas[transaction.sender] += transaction.gas_used * transaction.gas_price
    return gas


def accounts(history: History) -> list[Account]:
    """In the order of the roster."""
    sent, received = flows_by_peer(history)
    test = {record.peer: fact.test.accuracy for record, fact in history.facts(Evaluated)}
    validation = {record.peer: score.accuracy for record, score in history.kept}
    gas = gas_by_wallet(history)
    return [
        Account(
            name,
            *_role(entry),
            *_sum(sent[name]),
            *_sum(received[name]),
            gas[entry.wallet] / ETHER,
            test.get(name),
            validation.get(name),
        )
        for name, entry in history.roster.items()
    ]


def _whole_parts(parts: Mapping[Address, Fraction]) -> dict[Address, Wei]:
    """Rounded, so that they still add up; without those that come to nothing."""
    total, whole = Fraction(0), dict[Address, Wei]()
    for name, part in parts.items():
        whole[name] = Wei(floor(total + part) - floor(total))
        total += part
    return {name: wei for name, wei in whole.items() if wei}


def _sum(flows: list[Flow]) -> tuple[int, float]:
    return sum(flow.count for flow in flows), sum(flow.wei for flow in flows) / ETHER


def _role(entry: RosterEntry) -> tuple[str, str]:
    if entry.policy is not Policy.HONEST:
        return CHEATS, entry.policy.value
    kind = entry.role.value
    return kind, kind if entry.wants_payment else f"{kind}, wants no payment"
