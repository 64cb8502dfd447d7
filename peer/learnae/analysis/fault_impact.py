"""The impact of faults and cheating peers: a session compared with the same session without them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from learnae.analysis.checks.faults import crossings
from learnae.analysis.checks.summary import summary
from learnae.analysis.fee_pool import splits_fees
from learnae.analysis.money import accounts
from learnae.protocol.decisions import (
    AttemptFailed,
    Averaged,
    DebtState,
    Trained,
    TrainingFailed,
    WorkChanged,
    WorkState,
)
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import ETHER
from learnae.records.history import FaultBegan, History, Record


@dataclass(frozen=True)
class FaultImpact:
    """Accuracies are of honest peers, on test data, from 0 to 1.  Money is in ETH, per peer, by policy."""

    accuracy: float | None
    accuracy_undisturbed: float | None
    payments: float | None
    payments_undisturbed: float | None
    success: float | None
    success_undisturbed: float | None
    stall: float | None  # s: see ``longest_stall``
    crossing: float | None  # s from the heal of a cut to the first model averaged across it; the longest of all cuts
    earned: dict[str, float]
    spent: dict[str, float]
    forged: dict[str, float]  # part of ``earned``: for models that their creator neither trained nor averaged

    @property
    def lost(self) -> float | None:
        """Lost accuracy in percentage points."""
        if self.accuracy is None or self.accuracy_undisturbed is None:
            return None
        return 100 * (self.accuracy_undisturbed - self.accuracy)


def fault_impact(history: History, without: History) -> FaultImpact:
    here, there = summary(history), summary(without)
    earned: dict[str, list[float]] = {}
    spent: dict[str, list[float]] = {}
    for account in accounts(history):
        policy = history.roster[account.name].policy.value
        earned.setdefault(policy, []).append(account.received_ether)
        spent.setdefault(policy, []).append(account.sent_ether)
    return FaultImpact(
        here["accuracy_test_mean"],
        there["accuracy_test_mean"],
        here["payments_per_peer"]["mean"],
        there["payments_per_peer"]["mean"],
        here["averaging_success_rate"],
        there["averaging_success_rate"],
        longest_stall(history),
        max((after for _, after in crossings(history)), default=None),
        {policy: fmean(ethers) for policy, ethers in earned.items()},
        {policy: fmean(ethers) for policy, ethers in spent.items()},
        _earned_with_forgeries(history),
    )


def _earned_with_forgeries(history: History) -> dict[str, float]:
    own_work = {
        (record.peer, record.fact.cid)
        for record in history.records
        if isinstance(record.fact, Trained | Averaged | RowsPublished)
    }
    creators = {entry.peer: entry for entry in history.roster.values()}
    count = Counter(entry.policy.value for entry in history.roster.values())
    priced, forged = Counter[str](), Counter[str]()  # wei by creator
    for changes in history.debts.values():
        debt = changes[-1][1]
        creator = creators.get(debt.creator)
        if creator and debt.state is DebtState.FINAL:
            priced[creator.name] += debt.wei
            forged[creator.name] += debt.wei * ((creator.name, debt.cid) not in own_work)
    if splits_fees(history):  # it splits the fees in proportion to the debts, which are only reported
        received = {account.name: account.received_ether for account in accounts(history)}
    else:
        received = {name: wei / ETHER for name, wei in priced.items()}
    earned = dict.fromkeys(count, 0.0)
    for name, wei in forged.items():
        earned[history.roster[name].policy.value] += received[name] * wei / priced[name] if wei else 0.0
    return {policy: ether / count[policy] for policy, ether in earned.items()}


def longest_stall(history: History) -> float | None:
    """The longest time, in seconds, that an honest peer which no fault hit had work but completed none."""
    hit = {name for _, fact in history.facts(FaultBegan) for name in fact.targets}
    records: dict[str, list[Record]] = {name: [] for name in history.honest if name not in hit}
    for record in history.records:
        if record.peer in records:
            records[record.peer].append(record)
    gaps = [gap for of_peer in records.values() for gap in _gaps(of_peer, history.seconds)]
    return max(gaps, default=None)


def _gaps(records: Iterable[Record], end: float) -> Iterator[float]:
    """Times without a completed unit of work: from its first work to the first unit, between units, to the end.

    The time before its first slice, in which a pod imports torch, and the time in which it is done do not count.
    """
    since: float | None = None
    for record in records:
        match record.fact:
            case Trained() | TrainingFailed() | Averaged() | AttemptFailed():
                if since is not None:
                    yield record.t - since
                since = record.t
            case WorkChanged(WorkState.TRAINING | WorkState.MERGING) if since is None:
                since = record.t
            case WorkChanged(WorkState.DONE):
                since = None
    if since is not None:
        yield end - since


def to_json(impact: FaultImpact) -> dict[str, Any]:
    return {**vars(impact), "lost_points": impact.lost}
