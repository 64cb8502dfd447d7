"""The JSON Schema of what the codec writes, from the same type hints.  Pure."""

import inspect
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any, Literal, NewType, get_args, get_origin

from learnae.messages.codec import TEXT_OR_TEXTS, classes_of, hints_of
from learnae.protocol.types import Score, Wei

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PLAIN: dict[Any, dict[str, Any]] = {
    Wei: {"type": "string", "pattern": "^-?[0-9]+$", "description": "wei, as text: JSON readers lose large integers"},
    Decimal: {"type": "string", "description": "a decimal number, as text"},
    Score: {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "integer"}],
        "minItems": 2,
        "items": False,
        "description": "[correct, total]",
    },
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
}


def schema_of(hint: Any, head: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of ``encode(value)`` for a dataclass or a union of dataclasses.  ``head``: the first properties."""
    options = [_object(cls, {**(head or {}), "kind": {"const": name}}) for name, cls in classes_of(hint).items()]
    return options[0] if len(options) == 1 else {"oneOf": options}


# private


def _schema(hint: Any) -> dict[str, Any]:
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, NewType):
        return _schema(hint.__supertype__)
    if hint == TEXT_OR_TEXTS:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    if NoneType in get_args(hint):
        return {"anyOf": [_schema(next(part for part in get_args(hint) if part is not NoneType)), {"type": "null"}]}
    if len(classes_of(hint)) > 1:
        return schema_of(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    return _container(hint)


def _container(hint: Any) -> dict[str, Any]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is tuple:
        return {"type": "array", "items": _schema(parts[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1])}
    return _object(hint, {})


def _object(cls: type, head: dict[str, Any]) -> dict[str, Any]:
    properties = head | {name: _schema(hint) for name, hint in hints_of(cls).items()}
    text = inspect.cleandoc(cls.__doc__ or "").replace("``", "").replace("\n", " ").replace(".  ", ". ")
    described = {} if text.startswith(f"{cls.__name__}(") else {"description": text}  # dataclasses make up docstrings
    return {
        "title": cls.__name__,
        **described,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
