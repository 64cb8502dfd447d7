"""Writes the table of metrics into docs/metrics.md; with ``--check`` it only compares.

``python -m learnae.adapters.metrics.page [--check]``
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from learnae.adapters.metrics.table import TABLE

PAGE = Path(__file__).resolve().parents[4] / "docs" / "metrics.md"
BEGIN, END = "<!-- table:begin -->", "<!-- table:end -->"


def drawn() -> str:
    """In Markdown."""
    lines = ["| metric | kind | unit | labels beside peer and role | what |", "|---|---|---|---|---|"]
    for row in TABLE:
        labels = "; ".join(name + (f": {', '.join(values)}" if values else "") for name, values in row.labels.items())
        lines.append(f"| `{row.name}` | {row.kind} | {row.unit} | {labels} | {row.help} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    new = f"{before}{BEGIN}\n{drawn()}\n{END}{rest.partition(END)[2]}"
    if "--check" not in arguments:
        PAGE.write_text(new)
    elif new != page:
        print(f"{PAGE} does not show the metrics as they are: run python -m learnae.adapters.metrics.page")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
