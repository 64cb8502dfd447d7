"""Panels as data: the source of Grafana's JSON, of the tests and of the pictures in docs/how-to/monitoring.md.

Panel("Queue", "Events waiting to be handled.", (Query(of("learnae_queue_events")),))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Grafana's names for units
RATIO, SECONDS, COUNT, RATE, ETH = "percentunit", "s", "short", "cps", "suffix: ETH"
BYTES, BYTES_PER_SECOND = "bytes", "binBps"
ETH_DECIMALS = 5  # enough to distinguish the price of a model from the gas of a payment
CHOSEN = ("peer", "role", "policy")  # the variables of every dashboard
NO_DATA = "no data yet"

Kind = Literal["lines", "stack", "number", "bars", "states", "windows", "table", "points"]
INSTANT: tuple[Kind, ...] = ("number", "bars", "table", "points")


@dataclass(frozen=True)
class Query:
    """``legend``: the name of each series, with labels in braces, or the name of a column with this ``unit``."""

    expr: str
    legend: str = "{{peer}}"
    unit: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel is red above ``alarm_above`` and below ``alarm_below``.

    ``empty_text``: why the panel may have no data; without it, missing data fails a test.  In a panel of ``points`` the
    first query is x.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = COUNT
    kind: Kind = "lines"
    alarm_above: float | None = None
    alarm_below: float | None = None
    minimum: float | None = 0
    maximum: float | None = None
    empty_text: str = ""
    width: int = 8  # of 24


@dataclass(frozen=True)
class Board:
    """A dashboard: rows of panels, with titles.  ``uid`` is its address in Grafana and the name of its file."""

    uid: str
    title: str
    description: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def panels(self) -> list[Panel]:
        return [panel for _, panels in self.rows for panel in panels]
