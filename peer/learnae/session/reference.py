"""The settings as rows: what a session file may hold, read from the dataclasses.

``tools/settings_reference.py`` makes docs/reference/settings.md of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from learnae.session.settings import Session


@dataclass(frozen=True, slots=True)
class SettingRow:
    """``section``: as in the file, such as "work" or "groups" (a list); "" for settings at the top."""

    section: str
    name: str
    type: str
    default: str
    unit: str
    range: str
    description: str


def rows(kind: type = Session, section: str = "") -> Iterator[SettingRow]:
    """A row per setting, top-level settings first."""
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        if block_of(hints[field.name]) is None:
            yield SettingRow(
                section,
                field.name,
                type_of(hints[field.name]),
                _default(field),
                field.metadata.get("json_schema_extra", {}).get("unit", ""),
                range_of(field.metadata),
                field.metadata.get("description", ""),
            )
    for field in fields(kind):
        if block := block_of(hints[field.name]):
            yield from rows(block, f"{section}.{field.name}" if section else field.name)


def block_of(hint: Any) -> type | None:
    """The dataclass that a setting, or each element of it, is made of."""
    item = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return item if isinstance(item, type) and is_dataclass(item) else None


def type_of(hint: Any) -> str:
    options = [option for option in get_args(hint) if option is not NoneType]
    match get_origin(hint):
        case origin if origin is Literal:
            return "one of " + ", ".join(options)
        case origin if origin is tuple:
            element = type_of(options[0])
            return f"list of {element.replace('list', 'lists', 1) if element.startswith('list') else element + 's'}"
        case origin if origin is Annotated:
            return type_of(options[0])
        case origin if origin is not None:
            return " or ".join(type_of(option) for option in options)
    if issubclass(hint, Enum):
        return "one of " + ", ".join(member.value for member in hint)
    return {int: "integer", float: "number", Decimal: "number", bool: "boolean", str: "text"}.get(hint, "table")


def range_of(limits: Mapping[str, Any]) -> str:
    """The limits in a setting's metadata in words, such as "from 0, below 1"; "" if it has none."""
    extra = limits.get("json_schema_extra", {})
    if "plugins" in extra:
        return f"{', '.join(extra['examples'])}, or a plug-in"
    words = {
        "ge": "from {}",
        "gt": "above {}",
        "le": " to {}",
        "lt": ", below {}",
        "max_length": "with max {} elements",
    }
    text = "".join(words[key].format(_number(limits[key])) for key in words if key in limits)
    return text.replace(" to ", ", max ") if "gt" in limits else text


def wanted_value(hint: Any, metadata: Mapping[str, Any]) -> str:
    """A phrase for what may be written, such as "an integer from 1 to 10"."""
    if get_origin(hint) is Annotated:
        metadata = asdict(get_args(hint)[1])
    extra = metadata.get("json_schema_extra", {})
    if form := extra.get("patternErrorMessage"):
        return str(form)
    limits, kind = range_of(metadata), type_of(hint)
    if limits.startswith("one of") or kind.startswith("one of"):
        return limits or kind
    unit = extra.get("unit", "")
    words = (kind, limits, f"({unit})" if unit else "")
    return ("an " if kind[0] in "aeiou" else "a ") + " ".join(word for word in words if word)


def _number(value: float) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _default(field: Field[Any]) -> str:
    value = field.default
    if value is MISSING:
        return "required"
    match value:
        case None | () | "":
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return f"[{', '.join(map(str, value))}]"
    return _number(value) if isinstance(value, float) else str(value)
