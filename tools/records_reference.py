"""The records of history.jsonl and chain.jsonl, and verdict.json, from their JSON Schemas."""

from typing import Any

from learnae.analysis.schemas import chain_schema, history_schema, verdict_schema

HEAD = """# Records of a run

`learnae schema history`, `learnae schema chain` and `learnae schema verdict` print the JSON Schemas of these files. A
line of `history.jsonl` or `chain.jsonl` is an object that names its `kind`; all fields of its kind follow. Money is in
wei, as text, because many JSON readers lose large integers. A score is `[correct, total]`, without
rounding: an accuracy, or a score by the session's [metric](../how-to/plugins.md#a-metric). The names of fields say
`accuracy`, whatever the metric is."""
PARTS = (
    (
        "history.jsonl",
        "Lines are in the order of events. `t` is in session seconds; `peer` names a peer, or is `swarm`.",
        history_schema,
    ),
    (
        "chain.jsonl",
        "The chain at the end of the session: its genesis, its blocks in order, and the balances.",
        chain_schema,
    ),
)


def records_reference() -> str:
    sections = [
        "\n\n".join([f"## {name}", text, *(_record(option) for option in schema()["oneOf"])])
        for name, text, schema in PARTS
    ]
    return "\n\n".join([HEAD, *sections, _verdict()]) + "\n"


def _record(schema: dict[str, Any]) -> str:
    fields = {name: value for name, value in schema["properties"].items() if name not in ("t", "peer", "kind")}
    parts = [f"### {schema['title']}"]
    if schema.get("description"):
        parts.append(schema["description"])
    if fields:
        parts.append("\n".join(["| field | type |", "|---|---|", *_rows(fields)]))
    return "\n\n".join(parts)


def _verdict() -> str:
    rows = _rows(verdict_schema()["properties"])
    text = "The results of all checks. `summary` holds the numbers that the report and the command print."
    return "\n\n".join(["## verdict.json", text, "\n".join(["| field | type |", "|---|---|", *rows])])


def _rows(fields: dict[str, dict[str, Any]]) -> list[str]:
    return [f"| `{name}` | {_type(value)} |" for name, value in fields.items()]


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        text = "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    elif "anyOf" in schema or "oneOf" in schema:
        text = " or ".join(dict.fromkeys(_type(option) for option in schema.get("anyOf") or schema["oneOf"]))
    elif isinstance(schema["type"], list):
        text = " or ".join(schema["type"])
    elif schema["type"] == "array" and schema.get("items"):
        text = f"list of {_type(schema['items'])}"
    else:
        text = schema.get("title") or schema["type"]
    return f"{text}: {schema['description']}" if schema.get("description") and not schema.get("title") else text
