"""Metrics of runs, how they vary with the seed, and how settings differ between sessions.  Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learnae.analysis.fee_pool import splits_fees
from learnae.analysis.figures import first_phase_shares
from learnae.protocol.decisions import Adopted, Averaged, DebtState, Trained
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, History

Row = Mapping[str, Any]  # one run: its seed, and metrics by name

METRICS = {  # name -> path in the verdict's summary
    "payments_mean": ("payments_per_peer", "mean"),
    "payments_min": ("payments_per_peer", "min"),
    "payments_max": ("payments_per_peer", "max"),
    "eth_mean": ("eth_sent_per_peer", "mean"),
    "eth_min": ("eth_sent_per_peer", "min"),
    "eth_max": ("eth_sent_per_peer", "max"),
    "success_rate": ("averaging_success_rate",),
    "attempts": ("averaging_attempts",),
    "accuracy_test_mean": ("accuracy_test_mean",),
    "accuracy_test_min": ("accuracy_test_min",),
    "accuracy_own_mean": ("accuracy_own_mean",),
    "accuracy_validation_mean": ("accuracy_validation_mean",),
    "peers_finished": ("peers_finished",),
    "virtual_seconds": ("virtual_seconds",),
}


@dataclass(frozen=True)
class Band:
    """A metric over several seeds."""

    count: int
    min: float
    mean: float
    max: float


def run_metrics(history: History, verdict: Mapping[str, Any]) -> dict[str, Any]:
    """One run as a row; a metric that the run does not have is None."""
    row: dict[str, Any] = {"verdict": verdict["verdict"], "ended_by": verdict["ended_by"]}
    for name, path in METRICS.items():
        value: Any = verdict["summary"]
        for key in path:
            value = None if value is None else value.get(key)
        row[name] = value
    lowest, highest = row["eth_min"], row["eth_max"]
    row["eth_spread"] = highest / lowest if lowest else None
    row["first_phase_training"] = first_phase_shares(history)[0]
    late = [gain for gain in gains(history) if not gain.early]
    row["paid_gain"] = statistics.fmean(gain.validation for gain in late) if late else 0.0
    row["test_gain"] = statistics.fmean(gain.test for gain in late) if late else 0.0
    return row


@dataclass(frozen=True)
class Gain:
    """The gain of one adoption by an honest peer.  ``early``: the peer still had slices to train on."""

    peer: str
    validation: float
    test: float
    early: bool
    paid: bool


@dataclass(frozen=True)
class TotalGain:
    """The sum over several adoptions.

    A peer adopts an average because it is better on its own validation data, and pays for that difference.  Choosing
    the best of many models on one data set overstates the gain; the same two models on test data show by how much.
    """

    count: int
    validation: float
    test: float

    @property
    def missing(self) -> float | None:
        """The share of the validation gain that test data does not confirm; negative if test data shows more."""
        return 1 - self.test / self.validation if self.validation > 0 else None


def total_gain(gains: Iterable[Gain]) -> TotalGain:
    chosen = list(gains)
    return TotalGain(len(chosen), sum(gain.validation for gain in chosen), sum(gain.test for gain in chosen))


def gains(history: History) -> list[Gain]:
    """Adoptions by honest peers whose models before and after were both evaluated on test data."""
    tests = {fact.cid: fact.test.accuracy for _, fact in history.facts(Evaluated)}
    paid = (
        set()
        if splits_fees(history)
        else {  # the fees of a pool pay for no single model
            (payer, changes[-1][1].creator, changes[-1][1].cid)
            for (payer, _), changes in history.debts.items()
            if changes[-1][1].state is DebtState.FINAL and changes[-1][1].for_adopted
        }
    )
    last_slice = {record.peer: record.t for record, _ in history.facts(Trained)}
    honest, current = set(history.honest), dict[str, Cid]()
    adoptions = []
    for record in history.of(Adopted, Trained, Averaged):
        fact, peer = record.fact, record.peer
        if isinstance(fact, Averaged):
            if not fact.adopted:
                continue
            before = current.get(peer)
            if peer in honest and before in tests and fact.cid in tests:
                validation = fact.after.accuracy - fact.before.accuracy
                early = record.t < last_slice.get(peer, 0.0)
                was_paid = (peer, fact.creator, fact.remote_cid) in paid
                adoptions.append(Gain(peer, validation, tests[fact.cid] - tests[before], early, was_paid))
        assert isinstance(fact, Adopted | Trained | Averaged)
        current[peer] = fact.cid
    return adoptions


def band(rows: Iterable[Row], metric: str) -> Band | None:
    """Over the rows that have the metric."""
    values = [row[metric] for row in rows if row.get(metric) is not None]
    return Band(len(values), min(values), statistics.fmean(values), max(values)) if values else None


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def differences(sessions: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Settings, except seed and name, that differ between sessions, each with its value per session."""
    flat = [flatten(session) for session in sessions]
    names = dict.fromkeys(name for settings in flat for name in settings)
    columns = {name: [settings.get(name) for settings in flat] for name in names if name not in ("seed", "name")}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}
