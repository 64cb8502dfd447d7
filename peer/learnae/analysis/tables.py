"""A history as tables.  ``learnae.load`` and `learnae export` use them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from learnae.analysis.checks.faults import recorded_faults
from learnae.analysis.fee_pool import pool_calls
from learnae.analysis.money import Flow, accounts, flows_by_peer
from learnae.analysis.peer_status import peer_statuses
from learnae.analysis.statistics import flatten
from learnae.analysis.table_rows import (
    AccuracyRow,
    AveragingRow,
    FaultRow,
    PaymentRow,
    PeerRow,
    SettingValue,
    TransactionRow,
)
from learnae.messages.codec import encode
from learnae.protocol.decisions import Adopted, Averaged, Trained
from learnae.protocol.types import PeerId, Score, Wei
from learnae.records.chain_export import Block, ChainTransaction, gas_by_wallet
from learnae.records.history import Evaluated, History, kept_score


def peers(history: History) -> list[PeerRow]:
    gas = gas_by_wallet(history.chain, priced=True)
    sent, received = flows_by_peer(history)
    return [
        PeerRow(
            account.name,
            status.entry.role.value,
            status.entry.policy.value,
            status.entry.has_rows,
            status.entry.computes,
            status.entry.wants_payment,
            status.entry.peer,
            status.entry.wallet,
            status.entry.payout,
            status.trained,
            status.rows.published,
            status.rows.fetched,
            status.rows.trained,
            status.rows.refused,
            status.attempts,
            status.adopted,
            *_totals(sent[account.name]),
            *_totals(received[account.name]),
            Wei(gas[status.entry.wallet]),
            account.validation,
            account.test,
        )
        for account, status in zip(accounts(history), peer_statuses(history), strict=True)
    ]


def payments(history: History) -> list[PaymentRow]:
    """In the order in which they became owed."""
    creators, wallets = _by_peer_id(history), history.owners
    rows = []
    for (payer, number), changes in history.debts.items():
        (owed_at, _), (changed_at, debt) = changes[0], changes[-1]
        rows.append(
            PaymentRow(
                payer,
                number,
                creators.get(debt.creator, debt.creator),
                debt.cid,
                owed_at,
                changed_at,
                debt.state.value,
                debt.wei,
                *_both(debt.before, debt.after),
                None if debt.payee is None else wallets.get(debt.payee, debt.payee),
                debt.tx,
                debt.nonce,
                debt.block,
                debt.reason,
                debt.shares,
                debt.part_of,
            )
        )
    return rows


def averagings(history: History) -> list[AveragingRow]:
    creators = _by_peer_id(history)
    rows = []
    for record, fact in history.facts(Averaged):
        before, after, correct_before, correct_after, total = _both(fact.before, fact.after)
        rows.append(
            AveragingRow(
                record.t,
                record.peer,
                creators.get(fact.creator, fact.creator),
                fact.remote_cid,
                fact.cid,
                fact.step,
                before,
                after,
                (correct_after - correct_before) / total,
                correct_before,
                correct_after,
                total,
                fact.adopted,
            )
        )
    return rows


def accuracy(history: History) -> list[AccuracyRow]:
    tested = {(record.peer, fact.cid): fact for record, fact in history.facts(Evaluated)}
    units: dict[str, int] = defaultdict(int)  # trained slices and scored averagings so far
    rows = []
    for record in history.of(Adopted, Trained, Averaged):
        fact, score = record.fact, kept_score(record.fact)
        units[record.peer] += not isinstance(fact, Adopted)
        if score is None:
            continue
        assert isinstance(fact, Adopted | Trained | Averaged)
        source = "initial" if isinstance(fact, Adopted) else "trained" if isinstance(fact, Trained) else "averaged"
        test = tested.get((record.peer, fact.cid))
        rows.append(
            AccuracyRow(
                record.t,
                record.peer,
                units[record.peer],
                source,
                fact.cid,
                score.accuracy,
                score.correct,
                score.total,
                test.test.accuracy if test else None,
                test.own.accuracy if test and test.own else None,
            )
        )
    return rows


def transactions(history: History) -> list[TransactionRow]:
    """In the order of the chain; of an external chain those from or to wallets of the roster."""
    wallets = history.owners
    pool = {call.transaction.hash: call.kind or "other" for call in pool_calls(history)}
    return [
        TransactionRow(
            block.number,
            block.timestamp,
            transaction.hash,
            pool.get(transaction.hash) or _kind(transaction),
            wallets.get(transaction.sender, transaction.sender),
            None if transaction.to is None else wallets.get(transaction.to, transaction.to),
            transaction.nonce,
            transaction.wei,
            transaction.gas_used,
            transaction.gas_price,
            Wei(transaction.gas_used * transaction.gas_price),
            transaction.succeeded,
            transaction.contract,
        )
        for block in history.exports(Block)
        for transaction in block.transactions
    ]


def faults(history: History) -> list[FaultRow]:
    return [
        FaultRow(
            fault.window,
            fault.kind.value,
            " ".join(fault.targets),
            fault.begin,
            fault.end,
            None if fault.effect is None else fault.effect.value,
        )
        for fault in recorded_faults(history)
    ]


def settings(history: History) -> list[SettingValue]:
    """Every setting of the session, defaults included."""
    if not history.session:
        return []
    values = flatten(encode(history.session))
    return [SettingValue(name, value) for name, value in values.items() if name.rpartition(".")[2] != "kind"]


@dataclass(frozen=True, slots=True)
class Table:
    """``row``: the type of its rows."""

    row: type
    rows: Callable[[History], Sequence[Any]]

    @property
    def columns(self) -> dict[str, Any]:
        """Name and type of each column, in order."""
        return get_type_hints(self.row)

    @property
    def description(self) -> str:
        return (self.row.__doc__ or "").partition("\n")[0]


TABLES: Mapping[str, Table] = {
    "peers": Table(PeerRow, peers),
    "payments": Table(PaymentRow, payments),
    "averagings": Table(AveragingRow, averagings),
    "accuracy": Table(AccuracyRow, accuracy),
    "transactions": Table(TransactionRow, transactions),
    "faults": Table(FaultRow, faults),
    "settings": Table(SettingValue, settings),
}


# private


def _by_peer_id(history: History) -> dict[PeerId, str]:
    return {entry.peer: entry.name for entry in history.roster.values()}


def _totals(flows: Sequence[Flow]) -> tuple[int, Wei]:
    """Number of payments, and their sum."""
    return sum(flow.count for flow in flows), Wei(sum(flow.wei for flow in flows))


def _both(before: Score, after: Score) -> tuple[float, float, int, int, int]:
    return before.accuracy, after.accuracy, before.correct, after.correct, after.total


def _kind(transaction: ChainTransaction) -> str:
    if transaction.contract:
        return "contract"
    return "payment" if transaction.wei else "other"
