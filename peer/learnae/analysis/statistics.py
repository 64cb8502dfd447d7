"""Several runs of one session as bands: what varies with the seed, and what differs between sessions.  Pure."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from learnae.analysis.figures import first_phase_shares
from learnae.protocol.decisions import Adopted, Averaged, DebtState, Trained
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, History

Row = Mapping[str, Any]  # one run: "seed", metrics by name

METRICS = {  # name -> where the verdict's summary has it
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
    "wall_seconds": ("wall_seconds",),
}


@dataclass(frozen=True)
class Band:
    """A metric over seeds."""

    count: int
    least: float
    mean: float
    most: float


def run_metrics(history: History, found: Mapping[str, Any]) -> dict[str, Any]:
    """One run as a row.  A metric that the run cannot give is None."""
    row: dict[str, Any] = {"verdict": found["verdict"], "ended_by": found["ended_by"]}
    for name, path in METRICS.items():
        value: Any = found["summary"]
        for key in path:
            value = None if value is None else value.get(key)
        row[name] = value
    least, most = row["eth_min"], row["eth_max"]
    row["eth_spread"] = most / least if least else None
    row["first_phase_training"] = first_phase_shares(history)[0]
    late = [gain for gain in gains(history) if not gain.early]
    row["paid_gain"] = statistics.fmean(gain.validation for gain in late) if late else 0.0
    row["test_gain"] = statistics.fmean(gain.test for gain in late) if late else 0.0
    return row


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
                early, paid = record.t < last_slice.get(peer, 0.0), (peer, fact.creator, fact.remote_cid) in settled
                found.append(Gain(peer, validation, tests[fact.cid] - tests[before], early, paid))
        if isinstance(fact, Adopted | Trained) or (isinstance(fact, Averaged) and fact.adopted):
            current[peer] = fact.cid
    return found


@dataclass(frozen=True)
class TotalGain:
    """Of some adoptions: their number and their gains in sum, in units of accuracy."""

    count: int
    validation: float
    test: float

    @property
    def absent(self) -> float | None:
        """Share of the validation gain that test rows do not show; below 0 where they show more."""
        return 1 - self.test / self.validation if self.validation > 0 else None


def total_gain(gains: Iterable[Gain]) -> TotalGain:
    chosen = list(gains)
    return TotalGain(len(chosen), sum(each.validation for each in chosen), sum(each.test for each in chosen))


def band(rows: Iterable[Row], metric: str) -> Band | None:
    """Over the rows that have it."""
    values = [row[metric] for row in rows if row.get(metric) is not None]
    return Band(len(values), min(values), statistics.fmean(values), max(values)) if values else None


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def differences(sessions: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Settings that are not the same in all sessions, the seed aside, each with its value per session."""
    flat = [flatten(session) for session in sessions]
    names = dict.fromkeys(name for each in flat for name in each)
    columns = {name: [each.get(name) for each in flat] for name in names if name not in ("seed", "name")}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}
