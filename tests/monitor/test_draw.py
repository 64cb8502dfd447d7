"""Dashboards drawn as pictures: also those panels that have nothing to show."""

import warnings
from pathlib import Path
from typing import Any, cast

from monitor.ask import Prometheus
from monitor.boards import BOARDS
from monitor.draw import draw_dashboards


class OnlyPeers:
    """A Prometheus that knows how many peers there were, and nothing else."""

    def query_range(self, expr: str, begin: float, end: float, step: float = 1.0) -> Any:
        return [({}, [(begin, 2.0), (end, 2.0)])] if expr.startswith("count(") else []

    def query_panel(self, *arguments: Any) -> Any:
        return []


def test_panels_without_data_leave_room_for_the_others(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns when a layout collapses
        draw_dashboards(cast(Prometheus, OnlyPeers()), 1_790_000_000, 1_790_000_060, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"dashboard-{board.uid}.png" for board in BOARDS}
