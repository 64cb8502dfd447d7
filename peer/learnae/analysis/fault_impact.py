"""What faults and cheats did: a session beside the same session without them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from learnae.analysis.checks.faults import crossings
from learnae.analysis.checks.summary import summary
from learnae.analysis.money import accounts
from learnae.protocol.decisions import AttemptFailed, Averaged, DebtState, Trained, WorkChanged, WorkState
from learnae.protocol.types import ETHER
from learnae.records.history import FaultBegan, History


@dataclass(frozen=True)
class FaultImpact:
    """Accuracies on test rows, of honest peers, shares of 1; money in ETH, mean of the peers of a policy."""

    accuracy: float | None
    accuracy_undisturbed: float | None
    payments: float | None
    payments_undisturbed: float | None
    success: float | None
    success_undisturbed: float | None
    stall: float | None  # s: the longest time that a peer with work, hit by no fault, did nothing
    crossing: float | None  # s from a cut's heal until a model of its other side was averaged, the longest of all cuts
    earned: dict[str, float]
    spent: dict[str, float]
    forged: dict[str, float]  # of what was earned: for models that their creator neither trained nor averaged

    @property
    def lost(self) -> float | None:
        """Accuracy, in percentage points."""
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
        {policy: fmean(each) for policy, each in earned.items()},
        {policy: fmean(each) for policy, each in spent.items()},
        _for_forgeries(history),
    )


def _for_forgeries(history: History) -> dict[str, float]:
    made = {(record.peer, record.fact.cid) for record in history.records if isinstance(record.fact, Trained | Averaged)}
    creators = {entry.peer: entry for entry in history.roster.values()}
    count = Counter(entry.policy.value for entry in history.roster.values())
    paid = dict.fromkeys(count, 0)
    for changes in history.debts.values():
        debt = changes[-1][1]
        creator = creators.get(debt.creator)
        if creator and debt.state is DebtState.FINAL and (creator.name, debt.cid) not in made:
            paid[creator.policy.value] += debt.wei
    return {policy: wei / ETHER / count[policy] for policy, wei in paid.items()}


def longest_stall(history: History) -> float | None:
    """Of honest peers that no fault hit: the longest time, in seconds, that one had work and finished none of it."""
    hit = {name for _, fact in history.facts(FaultBegan) for name in fact.targets}
    gaps = [gap for name in history.honest if name not in hit for gap in _gaps(history, name)]
    return max(gaps, default=None)


def _gaps(history: History, name: str) -> Iterator[float]:
    """From when it took up work to the end of a unit of it, from there to the next; the last may be open to the end.

    What comes before its first slice (in a pod, torch is imported then) and while it is done is no stall.
    """
    since: float | None = None
    for record in history.records:
        if record.peer != name:
            continue
        match record.fact:
            case Trained() | Averaged() | AttemptFailed():
                if since is not None:
                    yield record.t - since
                since = record.t
            case WorkChanged(WorkState.TRAINING | WorkState.MERGING) if since is None:
                since = record.t
            case WorkChanged(WorkState.DONE):
                since = None
    if since is not None:
        yield history.seconds - since


def to_json(found: FaultImpact) -> dict[str, Any]:
    return {**vars(found), "lost_points": found.lost}
