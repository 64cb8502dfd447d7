"""Results beside the paper's."""

from typing import Any

from rich.table import Table

PAPER = "paper (section 4)"


def paper_table(summary: dict[str, Any]) -> Table:
    payments, ether = summary["payments_per_peer"], summary["eth_sent_per_peer"]
    table = Table(title=None, header_style="bold", title_justify="left")
    for title in ("", "this run", PAPER):
        table.add_column(title, justify="right" if title else "left")
    rows = [
        ("peers finished", f"{summary['peers_finished']} of {summary['peers_expected']}", "20 of 20"),
        ("payments sent per peer, mean", _number(payments["mean"], ".1f"), "9.4"),
        ("payments sent per peer, range", _range(payments, "d"), "3 - 16"),
        ("ETH sent per peer, mean", _number(ether["mean"], ".4f"), "0.003"),
        ("ETH sent per peer, range", _range(ether, ".4f"), "0.0005 - 0.0068"),
        ("successful averagings, at the end", _number(summary["averaging_success_rate"], ".1%"), "above 20 %"),
        ("averaging attempts", _number(summary["averaging_attempts"], "d"), ""),
        ("accuracy on test rows, mean", _number(summary["accuracy_test_mean"], ".4f"), ""),
        ("accuracy on test rows, least", _number(summary["accuracy_test_min"], ".4f"), ""),
        ("accuracy on own validation rows", _number(summary["accuracy_validation_mean"], ".4f"), ""),
        ("debts by state", _states(summary["debts_by_state"]), ""),
        ("session time, virtual", _number(summary["virtual_seconds"], ".0f", " s"), ""),
        ("wall time", _number(summary.get("wall_seconds"), ".1f", " s"), ""),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def failed_checks(found: dict[str, Any]) -> list[str]:
    """A line for each check that did not pass."""
    return [
        f"{check['result']}: {name}: {check['reason']}"
        for name, check in found["checks"].items()
        if check["result"] != "valid"
    ]


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else format(value, form) + unit


def _range(band: dict[str, Any], form: str) -> str:
    return f"{_number(band['min'], form)} - {_number(band['max'], form)}"


def _states(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
