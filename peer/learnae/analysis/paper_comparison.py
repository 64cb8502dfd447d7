"""A run's numbers, with the paper's (section 4) if the session is the paper's: for the terminal and both pages."""

from collections.abc import Mapping
from typing import Any

from learnae.analysis.metric_words import ACCURACY, in_metric

Row = tuple[str, ...]  # name, this run, and maybe the paper


def result_rows(summary: Mapping[str, Any], of_the_paper: bool, metric: str = ACCURACY) -> list[Row]:
    """``of_the_paper``: rows have a third column, the paper's number.  ``metric``: that scores models, by name."""
    rows = [(in_metric(name, metric), *values) for name, *values in _rows(summary)]
    return [row if of_the_paper else row[:2] for row in rows]


def _rows(summary: Mapping[str, Any]) -> list[Row]:
    payments, ether = summary["payments_per_peer"], summary["eth_sent_per_peer"]
    own = format_number(summary.get("accuracy_own_mean"), ".4f")
    own_row = [("accuracy on data like the peer's own", own, "")] if own != "-" else []
    return [
        ("peers finished", f"{summary['peers_finished']} of {summary['peers_expected']}", "20 of 20"),
        ("payments sent per peer, mean", format_number(payments["mean"], ".1f"), "9.4"),
        ("payments sent per peer, range", _range(payments, "d"), "3\N{EN DASH}16"),
        ("ETH sent per peer, mean", format_number(ether["mean"], ".4f"), "0.003"),
        ("ETH sent per peer, range", _range(ether, ".4f"), "0.0005\N{EN DASH}0.0068"),
        ("successful averagings", format_number(summary["averaging_success_rate"], ".1%"), "above 20%"),
        ("averaging attempts", format_number(summary["averaging_attempts"], "d"), ""),
        ("test accuracy, mean", format_number(summary["accuracy_test_mean"], ".4f"), ""),
        ("test accuracy, minimum", format_number(summary["accuracy_test_min"], ".4f"), ""),
        *own_row,
        ("validation accuracy, mean", format_number(summary["accuracy_validation_mean"], ".4f"), ""),
        ("debts by state", _states(summary["debts_by_state"]), ""),
        ("session time", format_number(summary["virtual_seconds"], ".0f", " s"), ""),
        ("wall time", format_number(summary.get("wall_seconds"), ".1f", " s"), ""),
    ]


def format_number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else format(value, form) + unit


def _range(band: Mapping[str, Any], form: str) -> str:
    if band["min"] is None:
        return "-"
    return f"{format_number(band['min'], form)}\N{EN DASH}{format_number(band['max'], form)}"


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
