"""How long things took, in session seconds, as far as the records show it.

A fetch has no record of its own: it is part of an averaging attempt.  Payments are recorded by their payers, who poll
the chain, so these times include the polling interval.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from learnae.analysis.figures.spec import BLUE, GREEN, ORANGE
from learnae.protocol.decisions import (
    Averaged,
    DebtState,
    IdentityChanged,
    IdentityState,
    Published,
    WorkChanged,
    WorkState,
)
from learnae.protocol.types import Cid
from learnae.records.history import History
from learnae.web.charts.components import Charts, legend, plot, section
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.plotly_layout import Chart, axes, scatter, short

MIN_SECONDS = 0.001  # a logarithmic axis has no 0
WIDE = 1.8  # decades of an axis that needs only one tick per decade
CURVE_POINTS = 100


@dataclass(frozen=True)
class Latency:
    """``seconds`` in ascending order."""

    label: str
    colour: str
    seconds: tuple[float, ...]

    @staticmethod
    def of(label: str, colour: str, seconds: Iterable[float]) -> "Latency":
        return Latency(label, colour, tuple(sorted(seconds)))

    def quantile(self, share: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def model_latencies(history: History) -> list[Latency]:
    return [
        Latency.of("announcement to the first averaging by another peer", BLUE, _until_averaged(history)),
        Latency.of("averaging attempt: fetch, average, score", ORANGE, _attempts(history)),
    ]


def payment_latencies(history: History) -> list[Latency]:
    return [
        Latency.of("identity: deployment started to registered", GREEN, _registrations(history)),
        Latency.of("payment: sent to mined", ORANGE, _between(history, DebtState.SENT, DebtState.MINED)),
        Latency.of("payment: mined to final", BLUE, _between(history, DebtState.MINED, DebtState.FINAL)),
    ]


def latency_section(history: History, charts: Charts) -> Html:
    title = "Latencies"
    groups = (
        ("latency-models", "Models", _measured(model_latencies(history))),
        ("latency-money", "Identities and payments", _measured(payment_latencies(history))),
    )
    measured = [latency for _, _, group in groups for latency in group]
    if not measured:
        return section("latencies", title, h("p", "There was nothing to measure."))
    frames = [_frame(name, heading, group, charts) for name, heading, group in groups if group]
    rows = [
        (
            latency.label,
            f"{len(latency.seconds):,}",
            *(f"{value:.3f}" for value in (latency.quantile(0.5), latency.quantile(0.9), latency.seconds[-1])),
        )
        for latency in measured
    ]
    note = (
        "Session time between two recorded steps, including the waiting time of a session with a slower pace. Models "
        "that nobody averaged are not counted. Payments include the time until the payer polls the chain."
    )
    grid = table(("from, to", "number", "median, s", "90th percentile, s", "maximum, s"), rows, "Latencies (s)")
    return section("latencies", title, h("div", *frames, class_="grid"), grid, h("p", note, class_="note"))


def latency_chart(latencies: Sequence[Latency]) -> Chart:
    """Cumulative share over seconds."""
    shares = [step / CURVE_POINTS for step in range(CURVE_POINTS + 1)]
    traces = [
        scatter(
            "lines",
            [max(MIN_SECONDS, latency.quantile(share)) for share in shares],
            shares,
            "%{y:.0%} took %{x:.3~f} s or less<extra></extra>",
            line={"color": latency.colour, "width": 2.5, "shape": "hv"},
        )
        for latency in latencies
    ]
    ends = [max(MIN_SECONDS, end) for latency in latencies for end in (latency.seconds[0], latency.seconds[-1])]
    low, high = math.log10(min(ends)) - 0.1, math.log10(max(ends)) + 0.1
    steps = (1, 2, 5) if high - low < WIDE else (1,)
    ticks = [short(step * 10.0**ten) for ten in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    x = {"type": "log", "range": [low, high], "tickvals": ticks, "ticksuffix": " s", "tickformat": "~g"}
    return {"data": traces, "layout": axes(x | {"showgrid": True}, {"range": [0, 1.02], "tickformat": ".0%"})}


# private


def _measured(latencies: Sequence[Latency]) -> list[Latency]:
    return [latency for latency in latencies if latency.seconds]


def _frame(name: str, title: str, latencies: Sequence[Latency], charts: Charts) -> Html:
    charts[name] = latency_chart(latencies)
    lines = legend((latency.label, latency.colour, "line") for latency in latencies)
    caption = "Cumulative share, from the peers' records."
    return plot(name, title, caption, "share (up), seconds (across, logarithmic)", lines, "low")


def _until_averaged(history: History) -> Iterator[float]:
    announced: dict[Cid, float] = {}
    for record in history.records:
        match record.fact:
            case Published(cid=cid):
                announced.setdefault(cid, record.t)
            case Averaged(remote_cid=cid) if cid in announced:
                yield record.t - announced.pop(cid)


def _attempts(history: History) -> Iterator[float]:
    """Attempts that were scored."""
    started: dict[str, float] = {}
    for record in history.records:
        match record.fact:
            case WorkChanged(work=WorkState.MERGING):
                started[record.peer] = record.t
            case Averaged() if record.peer in started:
                yield record.t - started.pop(record.peer)


def _registrations(history: History) -> Iterator[float]:
    started: dict[str, float] = {}
    for record, fact in history.facts(IdentityChanged):
        if fact.identity is IdentityState.DEPLOYING:
            started.setdefault(record.peer, record.t)
        elif fact.identity is IdentityState.REGISTERED and record.peer in started:
            yield record.t - started.pop(record.peer)


def _between(history: History, earlier: DebtState, later: DebtState) -> Iterator[float]:
    """From the first time a debt was in the earlier state to the last time it entered the later one."""
    for changes in history.debts.values():
        first = next((t for t, debt in changes if debt.state is earlier), None)
        last = next((t for t, debt in reversed(changes) if debt.state is later), None)
        if first is not None and last is not None:
            yield last - first
