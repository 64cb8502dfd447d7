"""Tables and lines about the result of a run."""

from typing import Any

from rich.table import Table

from learnae.analysis.paper_comparison import paper_rows

PAPER = "paper (section 4)"


def paper_table(summary: dict[str, Any]) -> Table:
    table = Table(header_style="bold")
    for title in ("", "this run", PAPER):
        table.add_column(title, justify="right" if title else "left")
    for row in paper_rows(summary):
        table.add_row(*row)
    return table


def failed_checks(verdict: dict[str, Any]) -> list[str]:
    """One line per check that did not pass."""
    return [
        f"{check['result']}: {name}: {check['reason']}"
        for name, check in verdict["checks"].items()
        if check["result"] != "valid"
    ]
