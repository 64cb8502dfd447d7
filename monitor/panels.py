"""Panels as data: the source of Grafana's JSON, of the tests and of the pictures in docs/how-to/monitoring.md.

Panel("Queue", "Events that wait.", (Query(of("learnae_queue_events")),))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# Grafana's names of units
RATIO, SECONDS, COUNT, RATE, ETH = "percentunit", "s", "short", "cps", "suffix: ETH"
BYTES, BYTES_A_SECOND = "bytes", "binBps"
ETH_DECIMALS = 5  # an accuracy's worth and a payment's gas can be told apart
CHOSEN = ("peer", "role", "policy")  # the variables of every dashboard
NOTHING = "nothing yet"

Kind = Literal["lines", "stack", "number", "bars", "states", "windows", "table", "points"]
INSTANT: tuple[Kind, ...] = ("number", "bars", "table", "points")


@dataclass(frozen=True)
class Query:
    """``legend``: of a series, with its labels in braces; or the name of a column.  ``unit``: of that column."""

    expr: str
    legend: str = "{{peer}}"
    unit: str = ""


@dataclass(frozen=True)
class Panel:
    """``says``: what is seen, in a sentence.  ``alarm``: above that it is red.  ``wanted``: below that it is red.

    ``empty``: why there may be nothing to see; without it, nothing is an error.  ``points``: the first query is x.
    """

    title: str
    says: str
    queries: tuple[Query, ...]
    unit: str = COUNT
    kind: Kind = "lines"
    alarm: float | None = None
    wanted: float | None = None
    least: float | None = 0
    most: float | None = None
    empty: str = ""
    width: int = 8  # of 24


@dataclass(frozen=True)
class Board:
    """One dashboard: rows of panels, by title.  ``uid`` is its address in Grafana and the name of its file."""

    uid: str
    title: str
    says: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def panels(self) -> list[Panel]:
        return [panel for _, panels in self.rows for panel in panels]
