"""Prometheus, asked as Grafana asks it: variables filled in, everybody chosen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from monitor.panels import CHOSEN, INSTANT, Panel, Query

Labels = dict[str, str]
Found = list[tuple[Labels, list[tuple[float, float]]]]


class Refused(Exception):
    """Prometheus cannot evaluate what it was asked."""


@dataclass(frozen=True)
class Prometheus:
    """``pace``: what Grafana would take for $__rate_interval."""

    url: str
    pace: str = "20s"

    def at(self, expr: str, moment: float | None = None) -> Found:
        """What it is now, or was at that Unix second."""
        asked = {"query": self.filled(expr)} | ({} if moment is None else {"time": str(moment)})
        return [(each["metric"], _points([each["value"]])) for each in self.get("query", asked)["result"]]

    def over(self, expr: str, begin: float, end: float, step: float = 1.0) -> Found:
        asked = {"query": self.filled(expr), "start": str(begin), "end": str(end), "step": str(step)}
        found = [(each["metric"], _points(each["values"])) for each in self.get("query_range", asked)["result"]]
        return [(labels, points) for labels, points in found if points]

    def shown(self, panel: Panel, query: Query, begin: float, end: float, step: float = 1.0) -> Found:
        """What the panel would get for that time."""
        return self.at(query.expr, end) if panel.kind in INSTANT else self.over(query.expr, begin, end, step)

    def filled(self, expr: str) -> str:
        for name in CHOSEN:
            expr = expr.replace(f"${name}", ".*")
        return expr.replace("$__rate_interval", self.pace)

    def get(self, what: str, asked: Mapping[str, str] | None = None) -> Any:
        """Raises Refused; ConnectionError and the like while it is not there."""
        try:
            with urlopen(f"{self.url}/api/v1/{what}?{urlencode(asked or {})}", timeout=20) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            if error.code == 503:
                raise ConnectionError("Prometheus is starting") from None
            raise Refused(f"{asked}: {error.read().decode()}") from None


def _points(values: list[tuple[float, str]]) -> list[tuple[float, float]]:
    """Without what is no number: a quantile of nothing."""
    return [(at, float(value)) for at, value in values if value != "NaN"]
