"""Frozen dataclasses to JSON objects and back, strictly, by their type hints.  Pure.

No class needs code of its own:

- "kind" names an object's class, and exactly its fields follow, in their order.  A nested object has a "kind" only
  where the hint allows several classes;
- ``Wei`` and ``Decimal`` are strings (JSON readers lose integers above 2^53), ``Score`` is [correct, total], an enum
  its value;
- the same values give the same bytes.  NaN and infinity are neither written nor read.

Hints are compiled once into functions, so that encoding a fact takes a few microseconds.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

from learnae.protocol.types import Score, Wei

Coder = Callable[[Any], Any]
MAX_FLOAT = sys.float_info.max
TEXT_OR_TEXTS = str | tuple[str, ...]

to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def encode(value: Any) -> dict[str, Any]:
    """A dataclass as a JSON object that names its class."""
    encoded: dict[str, Any] = _top_encoder(value.__class__)(value)
    return encoded


def decode(kind: Any, value: Any) -> Any:
    """The inverse of ``encode``.  ``kind`` is a dataclass or a union of dataclasses.  Raises ValueError."""
    return _top_decoder(kind)(value)


# what the hints say
def classes_of(hint: Any) -> dict[str, type]:
    """The dataclasses that a hint allows, by name."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return {option.__name__: option for option in options if is_dataclass(option) and isinstance(option, type)}


def hints_of(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def without_none(hint: Any) -> Any:
    """``X`` of ``X | None``; None for any other hint."""
    options = get_args(hint)
    return next(option for option in options if option is not NoneType) if NoneType in options else None


# values to JSON
@cache
def encoder(hint: Any) -> Coder | None:
    """A function from a value with this hint to JSON; None if JSON holds the value unchanged."""
    if hint in (Wei, Decimal):
        return str
    if hint is Score:
        return lambda score: [score.correct, score.total]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {member: member.value for member in hint}.__getitem__
    if len(classes_of(hint)) > 1:
        return encode
    if is_dataclass(hint):
        return _object_encoder(hint, {})
    return _container_encoder(hint)


def _container_encoder(hint: Any) -> Coder | None:
    if NoneType in get_args(hint):
        some = encoder(without_none(hint))
        return some and (lambda value: None if value is None else some(value))
    if get_origin(hint) is tuple:
        item = encoder(get_args(hint)[0])
        return list if item is None else lambda values: [item(value) for value in values]
    if hint == TEXT_OR_TEXTS:
        return lambda value: list(value) if isinstance(value, tuple) else value
    if get_origin(hint) is dict:
        entry = encoder(get_args(hint)[1])
        return entry and (lambda table: {key: entry(value) for key, value in table.items()})
    return None


def _object_encoder(cls: Any, head: dict[str, str]) -> Coder:
    plan = [(name, encoder(hint)) for name, hint in hints_of(cls).items()]

    def encode_object(value: Any) -> dict[str, Any]:
        out: dict[str, Any] = head.copy()
        for name, coder in plan:
            field = getattr(value, name)
            out[name] = field if coder is None else coder(field)
        return out

    return encode_object


@cache
def _top_encoder(cls: type) -> Coder:
    return _object_encoder(cls, {"kind": cls.__name__})


# JSON to values
@cache
def _decoder(hint: Any) -> Coder:
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, NewType):
        return _decoder(hint.__supertype__)
    if len(classes_of(hint)) > 1:
        return _kind_decoder(classes_of(hint))
    if is_dataclass(hint) and isinstance(hint, type):
        return _object_decoder(hint, set())
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if get_origin(hint) is Literal:
        return _one_of(get_args(hint))
    return _container_decoder(hint)


def _container_decoder(hint: Any) -> Coder:
    if NoneType in get_args(hint):
        some = _decoder(without_none(hint))
        return lambda value: None if value is None else some(value)
    if get_origin(hint) is tuple:
        array, item = _exactly(list), _decoder(get_args(hint)[0])
        return lambda value: tuple([item(element) for element in array(value)])
    if hint == TEXT_OR_TEXTS:
        one, many = map(_decoder, get_args(hint))
        return lambda value: many(value) if isinstance(value, list) else one(value)
    if get_origin(hint) is dict:
        table, entry = _exactly(dict), _decoder(get_args(hint)[1])
        return lambda value: {key: entry(element) for key, element in table(value).items()}
    raise TypeError(f"the codec has no rule for {hint}")


def _object_decoder(cls: type, head: set[str]) -> Coder:
    plan = [(name, _decoder(hint)) for name, hint in hints_of(cls).items()]
    names, table = head | {name for name, _ in plan}, _exactly(dict)

    def decode_object(value: Any) -> Any:
        if table(value).keys() != names:
            raise ValueError(f"{cls.__name__} has wrong or missing fields: {', '.join(sorted(value.keys() ^ names))}")
        return cls(*[coder(value[name]) for name, coder in plan])

    return decode_object


def _kind_decoder(classes: dict[str, type]) -> Coder:
    coders, table = {name: _object_decoder(cls, {"kind"}) for name, cls in classes.items()}, _exactly(dict)

    def decode_kind(value: Any) -> Any:
        kind = table(value).get("kind")
        if type(kind) is not str or kind not in coders:
            raise ValueError(f"no record of kind {kind!r:.60} is expected here")
        return coders[kind](value)

    return decode_kind


@cache
def _top_decoder(kind: Any) -> Coder:
    return _kind_decoder(classes_of(kind))


def _exactly(*kinds: type) -> Coder:
    """Accept these JSON types only: ``true`` is not an integer, and 1 is not a boolean."""

    def decode_exactly(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError(f"{value!r:.60} is not of type {kinds[0].__name__}")
        return value

    return decode_exactly


def _one_of(choices: tuple[Any, ...]) -> Coder:
    def decode_choice(value: Any) -> Any:
        if value not in choices:
            raise ValueError(f"{value!r:.60} is not one of {', '.join(map(str, choices))}")
        return value

    return decode_choice


def _float(value: Any) -> float:
    number = NUMBER(value)
    if not abs(number) <= MAX_FLOAT:  # an infinity, no number, or an integer beyond all floats
        raise ValueError("not a finite number")
    return float(number)


def _integer(value: Any) -> int:
    number: int = INTEGER(value)
    if abs(number) >= TOO_LARGE:
        raise ValueError("an integer has at most 256 bits")
    return number


def _wei(value: Any) -> int:
    if type(value) is not str or not (value.isascii() and value.isdigit()):
        raise ValueError(f"{value!r:.60} is not an amount of wei (a decimal string)")
    if len(value) > len(str(TOO_LARGE)):
        raise ValueError("an amount of wei has at most 256 bits")
    return _integer(int(value))


def _decimal(value: Any) -> Decimal:
    if type(value) is not str or not DECIMAL.fullmatch(value):
        raise ValueError(f"{value!r:.60} is not a decimal number (a string)")
    return Decimal(value)


def _score(value: Any) -> Score:
    if type(value) is list and len(value) == 2:
        correct, total = value
        if type(correct) is type(total) is int and 0 <= correct <= total and 0 < total < TOO_LARGE:
            return Score(correct, total)
    raise ValueError(f"{value!r:.60} is not a score [correct, total]")


DECIMAL = re.compile(r"-?\d+(\.\d+)?(E[+-]?\d+)?", re.ASCII)
NUMBER, INTEGER = _exactly(float, int), _exactly(int)
TOO_LARGE = 1 << 256  # the EVM has no larger integers; beyond about 1,000 bits they are no floats
PLAIN: dict[Any, Coder] = {
    Any: lambda value: value,
    str: _exactly(str),
    int: _integer,
    bool: _exactly(bool),
    float: _float,
    Wei: _wei,
    Decimal: _decimal,
    Score: _score,
}
