"""Queries to Prometheus like Grafana's: with the dashboards' variables filled in, all peers selected."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

from monitor.panels import CHOSEN, INSTANT, Panel, Query

Labels = dict[str, str]
Series = list[tuple[Labels, list[tuple[float, float]]]]


class QueryError(Exception):
    """Prometheus cannot evaluate the query."""


@dataclass(frozen=True)
class Prometheus:
    """``rate_interval``: the value that Grafana would insert for $__rate_interval."""

    url: str
    rate_interval: str = "20s"

    def query(self, expr: str, moment: float | None = None) -> Series:
        """The value now, or at a Unix second."""
        parameters = {"query": self.fill_variables(expr)} | ({} if moment is None else {"time": str(moment)})
        return [(series["metric"], _points([series["value"]])) for series in self.get("query", parameters)["result"]]

    def query_range(self, expr: str, begin: float, end: float, step: float = 1.0) -> Series:
        parameters = {"query": self.fill_variables(expr), "start": str(begin), "end": str(end), "step": str(step)}
        result = [
            (series["metric"], _points(series["values"])) for series in self.get("query_range", parameters)["result"]
        ]
        return [(labels, points) for labels, points in result if points]

    def query_panel(self, panel: Panel, query: Query, begin: float, end: float, step: float = 1.0) -> Series:
        """The data that the panel would show for that time."""
        return self.query(query.expr, end) if panel.kind in INSTANT else self.query_range(query.expr, begin, end, step)

    def fill_variables(self, expr: str) -> str:
        for name in CHOSEN:
            expr = expr.replace(f"${name}", ".*")
        return expr.replace("$__rate_interval", self.rate_interval)

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """Raises QueryError, or OSError if Prometheus does not answer."""
        try:
            with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters or {})}", timeout=20) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            if error.code == 503:
                raise ConnectionError("Prometheus is starting") from None
            raise QueryError(f"{parameters}: {error.read().decode()}") from None


def _points(values: list[tuple[float, str]]) -> list[tuple[float, float]]:
    """Without NaN, which is the quantile of no values."""
    return [(at, float(value)) for at, value in values if value != "NaN"]
