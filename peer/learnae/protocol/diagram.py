"""Draws the transition tables into ARCHITECTURE.md; with ``--check`` it only compares.

``python -m learnae.protocol.diagram [--check] [PAGE]``
"""

import argparse
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TypeVar

from learnae.protocol.registration import IDENTITY
from learnae.protocol.training import WORK

PAGE = Path(__file__).resolve().parents[3] / "ARCHITECTURE.md"
BEGIN, END = "<!-- machines:begin -->", "<!-- machines:end -->"

State = TypeVar("State", bound=Enum)


def drawn(title: str, table: Mapping[tuple[State, str], State]) -> str:
    """One machine in Mermaid.  It starts where its table starts."""
    first = next(iter(table))[0]
    arrows = [f"    {before.name} --> {after.name}: {cause}" for (before, cause), after in table.items()]
    lines = ["```mermaid", "---", f"title: {title}", "---", "stateDiagram-v2", f"    [*] --> {first.name}", *arrows]
    return "\n".join([*lines, "```"])


def updated(page: str) -> str:
    """The page with both machines as they are now.  Raises ValueError if it has no place for them."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"put {BEGIN} and {END} where the machines belong, once each and in this order")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return "\n".join([before + BEGIN, drawn("work", WORK), drawn("identity", IDENTITY), END + after])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m learnae.protocol.diagram", description="Draw both machines.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is stale")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    asked = parser.parse_args(arguments)
    page = asked.page.read_text()
    try:
        new = updated(page)
    except ValueError as error:
        print(f"{asked.page}: {error}")
        return 1
    if asked.check and new != page:
        print(f"{asked.page} does not show the machines as they are: run python -m learnae.protocol.diagram")
        return 1
    if not asked.check:
        asked.page.write_text(new)
    return 0


if __name__ == "__main__":  # pragma: no cover
    raise SystemExit(main())
