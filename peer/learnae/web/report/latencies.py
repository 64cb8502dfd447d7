"""How long things took, as far as the records say: what peers decided and noticed, in session seconds.

A fetch has no record of its own: it is part of an averaging attempt.  Money is told by its payer, who looks at the
chain now and then, so its times include that.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from learnae.analysis.figures.spec import BLUE, ORANGE
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
from learnae.web.charts.plotly_layout import Chart, axes, short
from learnae.web.charts.theme import GREEN

LEAST = 0.001  # s: what a logarithmic axis can begin with
WIDE = 1.8  # decades of an axis that needs no ticks between them
SHARES = 100  # points of a curve


@dataclass(frozen=True)
class Latency:
    """``seconds`` in order, the least first."""

    label: str
    colour: str
    seconds: tuple[float, ...]

    def below(self, share: float) -> float:
        """Seconds that this share of them took at most."""
        return self.seconds[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def model_latencies(history: History) -> list[Latency]:
    return [
        _told("announced, until another peer first averages it", BLUE, _first_averaged(history)),
        _told("averaging attempt: fetch, average, score", ORANGE, _attempts(history)),
    ]


def payment_latencies(history: History) -> list[Latency]:
    return [
        _told("identity: deployment begun, until registered", GREEN, _registered(history)),
        _told("payment: sent, until mined", ORANGE, _between(history, DebtState.SENT, DebtState.MINED)),
        _told("payment: mined, until final", BLUE, _between(history, DebtState.MINED, DebtState.FINAL)),
    ]


def latency_section(history: History, charts: Charts) -> Html:
    models, money = model_latencies(history), payment_latencies(history)
    found = [each for each in (*models, *money) if each.seconds]
    title = "How long it took"
    if not found:
        return section("latencies", title, h("p", "Nothing that can be timed happened."))
    frames = [
        _frame(name, title, told, charts)
        for name, title, told in (
            ("latency-models", "Models", models),
            ("latency-money", "Identities and payments", money),
        )
        if any(each.seconds for each in told)
    ]
    heads = ("from, until", "number", "half took at most, s", "nine in ten, s", "longest, s")
    rows = [
        (
            each.label,
            f"{len(each.seconds):,}",
            *(f"{value:.3f}" for value in (each.below(0.5), each.below(0.9), each.seconds[-1])),
        )
        for each in found
    ]
    note = (
        "Session time between two decisions of peers, the waiting of a stretched session included. Of a model that "
        "nobody averaged nothing is counted. Payments are seen by their payers, who look at the chain now and then."
    )
    grid = table(heads, rows, "Latencies (s)")
    return section("latencies", title, h("div", *frames, class_="grid"), grid, h("p", note, class_="note"))


def latency_chart(told: Sequence[Latency]) -> Chart:
    """The share that took so long at most, along seconds."""
    shares = [short(step / SHARES) for step in range(SHARES + 1)]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [short(max(LEAST, each.below(share))) for share in shares],
            "y": shares,
            "line": {"color": each.colour, "width": 2.5, "shape": "hv"},
            "hovertemplate": "%{y:.0%} took at most %{x:.3~f} s<extra></extra>",
        }
        for each in told
        if each.seconds
    ]
    ends = [max(LEAST, end) for each in told if each.seconds for end in (each.seconds[0], each.seconds[-1])]
    low, high = math.log10(min(ends)) - 0.1, math.log10(max(ends)) + 0.1
    steps = (1, 2, 5) if high - low < WIDE else (1,)
    ticks = [short(step * 10.0**ten) for ten in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    across = {"type": "log", "range": [low, high], "tickvals": ticks, "ticksuffix": " s", "tickformat": "~g"}
    return {"data": traces, "layout": axes(across | {"showgrid": True}, {"range": [0, 1.02], "tickformat": ".0%"})}


# in here


def _frame(name: str, title: str, told: Sequence[Latency], charts: Charts) -> Html:
    charts[name] = latency_chart(told)
    lines = legend((each.label, each.colour, "line") for each in told if each.seconds)
    caption = "Share that took so long at most, as peers told it."
    return plot(name, title, caption, "share (up), seconds (across, logarithmic)", lines, "low")


def _told(label: str, colour: str, seconds: Iterator[float]) -> Latency:
    return Latency(label, colour, tuple(sorted(seconds)))


def _first_averaged(history: History) -> Iterator[float]:
    announced: dict[Cid, float] = {}
    for record in history.records:
        match record.fact:
            case Published(cid=cid):
                announced.setdefault(cid, record.t)
            case Averaged(remote_cid=cid) if cid in announced:
                yield record.t - announced.pop(cid)


def _attempts(history: History) -> Iterator[float]:
    """Of those that were scored."""
    begun: dict[str, float] = {}
    for record in history.records:
        match record.fact:
            case WorkChanged(work=WorkState.MERGING):
                begun[record.peer] = record.t
            case Averaged() if record.peer in begun:
                yield record.t - begun.pop(record.peer)


def _registered(history: History) -> Iterator[float]:
    begun: dict[str, float] = {}
    for record, fact in history.facts(IdentityChanged):
        if fact.identity is IdentityState.DEPLOYING:
            begun.setdefault(record.peer, record.t)
        elif fact.identity is IdentityState.REGISTERED and record.peer in begun:
            yield record.t - begun.pop(record.peer)


def _between(history: History, earlier: DebtState, later: DebtState) -> Iterator[float]:
    """From the first time a debt was in the one state to the last time it came into the other."""
    for changes in history.debts.values():
        first = next((t for t, debt in changes if debt.state is earlier), None)
        last = next((t for t, debt in reversed(changes) if debt.state is later), None)
        if first is not None and last is not None:
            yield last - first
