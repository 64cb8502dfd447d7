"""The numbers of a session in ``verdict.json``.

Accuracy and money are those of honest peers; debts are those of all peers.  There are two accuracies: ``validation``
on a peer's own data, which decides adoption and is therefore biased upwards, and ``test`` on data that no peer has.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from learnae.analysis.checks.work import last_states
from learnae.analysis.money import final_payments_by_debt
from learnae.analysis.peer_status import KeptModels
from learnae.protocol.decisions import Averaged, DebtState, WorkState
from learnae.protocol.types import ETHER, Score
from learnae.records.fold import Fold
from learnae.records.history import Evaluated, History, Record


def summary(history: History) -> dict[str, Any]:
    """None stands for unknown values.  Money is in ETH, gas not included."""
    states, attempts, kept = last_states(history), _attempts(history), history.folded(KeptModels).scores
    evaluated = list(history.facts(Evaluated))
    test = _last_accuracies(history, ((record, fact.test) for record, fact in evaluated))
    paid = _paid(history)
    return {
        "peers_expected": len(states),
        "peers_finished": sum(state == WorkState.DONE for state in states.values()),
        "accuracy_test_mean": _mean(test),
        "accuracy_test_min": min(test, default=None),
        "accuracy_own_mean": _mean(_last_accuracies(history, ((record, fact.own) for record, fact in evaluated))),
        "accuracy_validation_mean": _mean([kept[name].accuracy for name in history.honest if name in kept]),
        "averaging_attempts": sum(scored for _, scored in attempts),
        "averaging_success_rate": _mean([adopted / scored for adopted, scored in attempts]),
        "payments_per_peer": _range([len(payments) for payments in paid]),
        "eth_sent_per_peer": _range([sum(payments) / ETHER for payments in paid]),
        "debts_by_state": _debts_by_state(history),
        "virtual_seconds": history.seconds,
    }


def _last_accuracies(history: History, scores: Iterable[tuple[Record, Score | None]]) -> list[float]:
    """The last accuracy of each honest peer that has one."""
    last = {record.peer: score for record, score in scores if score is not None}
    return [last[name].accuracy for name in history.honest if name in last]


class _Attempts(Fold):
    kinds = (Averaged,)

    def __init__(self, history: History) -> None:
        self.scored: Counter[str] = Counter()
        self.adopted: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        assert isinstance(record.fact, Averaged)
        self.scored[record.peer] += 1
        self.adopted[record.peer] += record.fact.adopted


def _attempts(history: History) -> list[tuple[int, int]]:
    """(adopted, scored) attempts of each honest peer with a scored attempt."""
    count = history.folded(_Attempts)
    return [(count.adopted[name], count.scored[name]) for name in history.honest if count.scored[name]]


def _paid(history: History) -> list[list[int]]:
    """For each honest peer, the wei that it paid for each debt; with a fee pool, to each payee."""
    paid: dict[str, list[int]] = {name: [] for name in history.honest}
    for _, payer, _, wei in final_payments_by_debt(history):
        if payer in paid:
            paid[payer].append(wei)
    return list(paid.values())


def _debts_by_state(history: History) -> dict[str, int]:
    states = Counter(changes[-1][1].state for changes in history.debts.values())
    return {state.value: states[state] for state in DebtState if states[state]}


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _range(values: Sequence[float]) -> dict[str, float | None]:
    return {"min": min(values, default=None), "mean": _mean(values), "max": max(values, default=None)}
