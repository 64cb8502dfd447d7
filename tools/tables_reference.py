"""The tables of a run, from the row types in ``learnae.analysis.table_rows``."""

import inspect
from types import NoneType
from typing import Any, get_args

from learnae.analysis.tables import TABLES, Table
from learnae.protocol.types import Wei

HEAD = """# Tables of a run

`learnae export RUN --to csv` writes these tables, and `learnae.load(RUN)` has them as pandas DataFrames
([how to use them](../how-to/analysis.md)). Money is in wei, as exact integers. Times ending in `_at`, and `at`, are in
session seconds. Peers are called by their names in the session; a wallet or an IPFS id that belongs to none of them
stays as it is. Accuracies are scores by the session's [metric](../how-to/plugins.md#a-metric), if it is another one."""


def tables_reference() -> str:
    return "\n\n".join([HEAD, *(_section(name, table) for name, table in TABLES.items())]) + "\n"


def _section(name: str, table: Table) -> str:
    text = inspect.cleandoc(table.row.__doc__ or "").replace("``", "`").replace(".  ", ". ")
    lines = [f"| `{column}` | {_type(hint)} |" for column, hint in table.columns.items()]
    return "\n".join([f"## {name}", "", text, "", "| column | type |", "|---|---|", *lines])


def _type(hint: Any) -> str:
    options = [option for option in get_args(hint) or (hint,) if option is not NoneType]
    names = {int: "integer", float: "number", bool: "true or false", str: "text", object: "any", Wei: "integer, in wei"}
    text = names.get(options[0], "text")
    return f"{text}, or empty" if NoneType in get_args(hint) else text
