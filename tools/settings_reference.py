"""The settings of session.toml: a page in Markdown, and the JSON Schema that editors read."""

import json
from itertools import groupby

from learnae.session.reference import SettingRow, rows
from learnae.session.session_file import schema
from learnae.session.sizes import FITTED

HEAD = """# Settings of a session

A session is a TOML file. Every setting has a default, so an empty file is a session. The run directory's `session.toml`
lists all settings of a run. A number may be quoted; for ETH, quotes keep every digit.

`learnae init FOLDER` also writes `session.schema.json`, with which editors complete and check session files; the first
line of `session.toml` names it (`#:schema session.schema.json`). `learnae schema` prints it.

Defaults marked with * are those of the shipped data. For a table of your own, they
[fit its number of rows](../how-to/data.md#sizes-that-fit-a-table)."""
FITTING = {("", "peers"), *((block, name) for block, names in FITTED.items() for name in names)}
LISTS = {"groups", "faults"}


def settings_reference() -> str:
    sections = [_section(name, list(members)) for name, members in groupby(rows(), key=lambda row: row.section)]
    return "\n\n".join([HEAD, *sections]) + "\n"


def session_schema() -> str:
    return json.dumps(schema(), indent=1) + "\n"


def _section(name: str, members: list[SettingRow]) -> str:
    title = "At the top of the file" if not name else f"`[[{name}]]`" if name in LISTS else f"`[{name}]`"
    lines = [f"## {title}", "", "| setting | type | default | range | unit | meaning |", "|---|---|---|---|---|---|"]
    for row in members:
        default = f"`{row.default}`" if row.default not in ("", "required") else row.default
        default += " *" if (row.section, row.name) in FITTING else ""
        cells = [f"`{row.name}`", row.type, default, row.range, row.unit, row.description]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
