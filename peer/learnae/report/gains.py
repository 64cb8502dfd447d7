"""Of the gain that was paid for, how much is absent on rows that no peer has.

A peer adopts an average because it is better on its own validation rows, and pays by that difference.  Whoever picks
the best of many by one set of rows is flattered by those rows; the same two models on test rows say by how much.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from learnae.core.facts import Adopted, Averaged, DebtState, Trained
from learnae.core.types import Cid
from learnae.history import Evaluated, History


@dataclass(frozen=True)
class Gain:
    """One adoption by an honest peer, in units of accuracy.  ``early``: it still had slices to train on."""

    peer: str
    validation: float
    test: float
    early: bool
    paid: bool


def gains(history: History) -> list[Gain]:
    """Adoptions whose models before and after were both evaluated."""
    tests = {fact.cid: fact.test.accuracy for _, fact in history.facts(Evaluated)}
    settled = {
        (payer, changes[-1][1].creator, changes[-1][1].cid)
        for (payer, _), changes in history.debts.items()
        if changes[-1][1].state is DebtState.FINAL
    }
    last_slice = {record.peer: record.t for record, _ in history.facts(Trained)}
    honest, current, found = set(history.honest), dict[str, Cid](), []
    for record in history.records:
        fact, peer = record.fact, record.peer
        if isinstance(fact, Averaged) and fact.adopted:
            before = current.get(peer)
            if peer in honest and before in tests and fact.cid in tests:
                validation = fact.after.accuracy - fact.before.accuracy
                early, paid = record.t < last_slice.get(peer, 0.0), (peer, fact.creator, fact.remote) in settled
                found.append(Gain(peer, validation, tests[fact.cid] - tests[before], early, paid))
        if isinstance(fact, Adopted | Trained) or (isinstance(fact, Averaged) and fact.adopted):
            current[peer] = fact.cid
    return found


@dataclass(frozen=True)
class Total:
    """Of some adoptions: their number and their gains in sum, in units of accuracy."""

    count: int
    validation: float
    test: float

    @property
    def absent(self) -> float | None:
        """Share of the validation gain that test rows do not show; below 0 where they show more."""
        return 1 - self.test / self.validation if self.validation > 0 else None


def total(gains: Iterable[Gain]) -> Total:
    chosen = list(gains)
    return Total(len(chosen), sum(each.validation for each in chosen), sum(each.test for each in chosen))
