"""Write every generated part of the documentation; with ``--check`` only compare (``make verify``).

    python -m tools.generate [--check]

A part is a whole file, or the text between two comments in a page: ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.cli_reference import cli_reference
from tools.house import house_map, house_picture
from tools.metrics_table import metrics_table
from tools.records_reference import records_reference
from tools.settings_reference import session_schema, settings_reference
from tools.state_diagrams import state_diagrams
from tools.tables_reference import tables_reference

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """``name`` is None for a whole file."""

    page: str
    name: str | None
    text: Callable[[], str]

    def updated(self, page: str) -> str:
        """The page with this part as it should be.  Raises ValueError if the page has no place for it."""
        if self.name is None:
            return self.text()
        begin = f"<!-- {self.name}:begin -->"
        end = f"<!-- {self.name}:end -->"
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise ValueError(f"it needs {begin} and {end}, once each and in this order")
        before, _, rest = page.partition(begin)
        return f"{before}{begin}\n{self.text()}\n{end}{rest.partition(end)[2]}"


PARTS = (
    Part("ARCHITECTURE.md", "house", house_map),
    Part("ARCHITECTURE.md", "machines", state_diagrams),
    Part("README.md", "house", house_map),
    Part("docs/pictures/imports.svg", None, house_picture),
    Part("docs/reference/cli.md", None, cli_reference),
    Part("docs/reference/records.md", None, records_reference),
    Part("docs/reference/settings.md", None, settings_reference),
    Part("docs/reference/tables.md", None, tables_reference),
    Part("peer/learnae/resources/example/session.schema.json", None, session_schema),
    Part("docs/reference/metrics.md", "table", metrics_table),
)


def main(arguments: Sequence[str] | None = None, parts: Sequence[Part] = PARTS, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description="Write the generated documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a part is out of date")
    check = parser.parse_args(arguments).check
    failures = 0
    for part in parts:
        path = root / part.page
        page = path.read_text(encoding="utf-8") if path.exists() else ""
        try:
            updated = part.updated(page)
        except ValueError as error:
            print(f"{part.page}: {error}")
            failures += 1
            continue
        if updated == page:
            continue
        if check:
            print(f"{part.page}: {part.name or 'the file'} is out of date: run python -m tools.generate")
            failures += 1
        else:
            path.write_text(updated, encoding="utf-8")
            print(f"{part.page}: {part.name or 'the file'} written")
    return min(failures, 1)


if __name__ == "__main__":
    raise SystemExit(main())
