"""Who paid whom, and each peer's account.  Only payments that stayed final count."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from learnae.analysis.fee_pool import pool_calls, splits_fees, wallet_of
from learnae.analysis.peer_status import KeptModels
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.policies import Policy
from learnae.protocol.types import ETHER, Address, TxHash, Wei
from learnae.records.chain_export import Balances, gas_by_wallet
from learnae.records.fold import once
from learnae.records.history import Evaluated, History
from learnae.records.roster_entry import RosterEntry

OUTSIDE = "outside the swarm"  # a wallet of no peer in the roster
CHEATS = "cheats"

Payment = tuple[float, str, str, Wei]  # when it became final, payer, payee, amount


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


@once
def final_payments(history: History) -> list[Payment]:
    """By payer, in the order of its debts; one payment may be for several of them."""
    return payments_of(history, history.debts)


@once
def final_payments_by_debt(history: History) -> list[Payment]:
    """One for each debt."""
    return payments_of(history, history.debts, by_debt=True)


def payments_of(history: History, debts: Container[tuple[str, int]], by_debt: bool = False) -> list[Payment]:
    """The payments of these debts that became final.

    With a fee pool, debts are only reported, and each withdrawal is a payment by those whose fees it is from.
    The chain does not have its time in the session, so it counts as made at the end.
    """
    wallets = history.owners
    if splits_fees(history):
        return [
            (history.seconds, wallets[source], wallets[call.transaction.sender], wei)
            for call in pool_calls(history)
            if call.transaction.succeeded
            for source, wei in _whole_parts(call.sources).items()
        ]
    paid: dict[tuple[str, TxHash | int | None], list[tuple[float, DebtChanged]]] = {}
    for (payer, number), changes in history.debts.items():
        at, debt = changes[-1]
        if debt.state is DebtState.FINAL and debt.payee and (payer, number) in debts:
            paid.setdefault((payer, number if by_debt else debt.tx), []).append((at, debt))
    return [
        (covered[-1][0], payer, wallets.get(payee, OUTSIDE), Wei(sum(debt.wei for _, debt in covered)))
        for (payer, _), covered in paid.items()
        if (payee := covered[-1][1].payee)
    ]


def left_in_pool(history: History) -> Counter[str]:
    """The wei of each peer's fee and stake that no withdrawal has paid out."""
    wallets = {wallet_of(entry.wallet): entry.name for entry in history.roster.values()}
    left: Counter[str] = Counter()
    for call in pool_calls(history):
        if call.kind == "deposit" and call.transaction.succeeded:
            left[wallets.get(wallet_of(call.transaction.sender), OUTSIDE)] += call.transaction.wei
        elif call.transaction.succeeded:
            left[wallets.get(wallet_of(call.transaction.sender), OUTSIDE)] -= call.stake
    for _, payer, _, wei in final_payments(history) if splits_fees(history) else ():
        left[payer] -= wei
    return left


def earned_with_rows(history: History) -> Counter[str]:
    """The wei that each peer received for its row blocks; with a fee pool, nobody pays for single blocks."""
    if splits_fees(history):
        return Counter()
    wallets = history.owners
    earned = Counter[str]()
    for changes in history.debts.values():
        debt = changes[-1][1]
        if debt.shares and debt.payee and debt.state is DebtState.FINAL:
            earned[wallets.get(debt.payee, OUTSIDE)] += debt.wei
    return earned


def paid_out(history: History) -> dict[str, tuple[Address, Wei | None]]:
    """The wallets that others pay instead of those of the peers, and what each holds; None: not exported."""
    held = history.exports(Balances)[-1].balances if history.exports(Balances) else {}
    entries = history.roster.values()
    return {entry.name: (entry.payout, held.get(entry.payout)) for entry in entries if entry.payout}


@once
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


@once
def accounts(history: History) -> list[Account]:
    """In the order of the roster."""
    sent, received = flows_by_peer(history)
    test = {record.peer: fact.test.accuracy for record, fact in history.facts(Evaluated)}
    validation = {name: score.accuracy for name, score in history.folded(KeptModels).scores.items()}
    gas = gas_by_wallet(history.chain, priced=True)
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
