"""The JSON Schemas of the files of a run, for readers in other languages.  Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from learnae.analysis.checks.result import CheckOutcome
from learnae.messages.json_schema import DIALECT, schema_of
from learnae.records.chain_export import ChainRecord
from learnae.records.history import Fact
from learnae.records.outcome import EndedBy

TIME = {"type": "number", "description": "session seconds, to the microsecond"}
PEER = {"type": "string", "description": 'name of a peer, or "swarm" for what is not about a single peer'}
NUMBER_OR_NOT = {"type": ["number", "null"]}
RANGE = {"type": "object", "properties": dict.fromkeys(("min", "mean", "max"), NUMBER_OR_NOT)}
RESULT = {"enum": [result.value for result in CheckOutcome]}


def history_schema() -> dict[str, Any]:
    """Of each line of history.jsonl."""
    return {"$schema": DIALECT, "title": "A line of history.jsonl", **schema_of(Fact, {"t": TIME, "peer": PEER})}


def chain_schema() -> dict[str, Any]:
    """Of each line of chain.jsonl."""
    return {"$schema": DIALECT, "title": "A line of chain.jsonl", **schema_of(ChainRecord)}


def verdict_schema() -> dict[str, Any]:
    """Of verdict.json.  ``summary`` may get more numbers in later versions."""
    texts = {"type": "array", "items": {"type": "string"}}
    check = {
        "type": "object",
        "properties": {"result": RESULT, "reason": {"type": "string"}},
        "required": ["result", "reason"],
        "additionalProperties": False,
    }
    properties = {
        "root": {"type": ["string", "null"], "description": "the root of the seal"},
        "verdict": {**RESULT, "description": "the worst result of a check"},
        "ended_by": {"enum": [*(reason.value for reason in EndedBy), "unknown"]},
        "checks": {"type": "object", "additionalProperties": check},
        "unproven": {**texts, "description": "what could not be checked, and why"},
        "notices": texts,
        "summary": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [NUMBER_OR_NOT, RANGE, {"type": "object", "additionalProperties": {"type": "integer"}}]
            },
        },
    }
    return {
        "$schema": DIALECT,
        "title": "verdict.json",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SCHEMAS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "history": history_schema,
    "chain": chain_schema,
    "verdict": verdict_schema,
}
