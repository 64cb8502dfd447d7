"""Settings on the command line, as ``--set KEY=VALUE``: their names are those in session.toml, with dots.  Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from typing import Any

from learnae.errors import InputError
from learnae.messages.foreign_toml import from_toml
from learnae.protocol.settings import MarketSettings
from learnae.session.contradictions import OF_ADAPT, OF_KINDS
from learnae.session.renamed_settings import present_names

COMMA = r",(?![^\[]*\])"  # not inside a list


def parse_assignments(assignments: Sequence[str]) -> dict[str, list[Any]]:
    """Parse ``key=a,b,c`` as TOML values, such as lists; anything else is text.  Raises InputError."""
    example = "key=value,value, such as work.patience=15,40"
    repeated = "write all its values in one --set"
    return {
        key: [_value(value.strip()) for value in re.split(COMMA, values)]
        for key, values in _divided(assignments, example, repeated).items()
    }


def overrides(assignments: Sequence[str], **options: Any) -> dict[str, Any]:
    """Parse ``key=value``, one value each; ``options`` are settings that have options of their own (None: not given).

    Raises InputError.
    """
    given = {key: value for key, value in options.items() if value is not None}
    divided = _divided(assignments, "key=value, such as work.patience=15", "leave one of them out")
    for key in divided:
        if key in given:
            raise InputError(f"--{key} and --set {key} are both given: leave one of them out")
    return given | {key: _value(text.strip()) for key, text in divided.items()}


def assigned(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of a session's table with dotted names set, without what belongs to something that they switch off.

    An element of a list is named by its index, such as groups.0.count.  ``settings`` may have old names, ``base`` has
    present ones.  Raises InputError.
    """
    table: dict[str, Any] = deepcopy(dict(base))
    settings = present_names(settings)
    for name, value in settings.items():
        *path, last = name.split(".")
        place: Any = table
        for key in path:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[_index(name, place, key)]
        place[last if isinstance(place, dict) else _index(name, place, last)] = value
    for section, name in _switched_off(table, settings):
        if f"{section}.{name}" not in settings and isinstance(table.get(section), dict):
            table[section].pop(name, None)
    return table


# private


def _divided(assignments: Sequence[str], example: str, repeated: str) -> dict[str, str]:
    """Each key and the text of its values."""
    divided: dict[str, str] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key or not text:
            raise InputError(f"--set {assignment}: write {example}")
        if key in divided:
            raise InputError(f"--set {key} is given twice: {repeated}")
        divided[key] = text
    return divided


def _value(text: str) -> Any:
    try:
        table = from_toml(f"value = {text}")
        json.dumps(table, default=str)
    except ValueError:  # also raised for a number with more digits than can be written again
        return text
    return table["value"] if len(table) == 1 else text  # it may have several lines


def _switched_off(table: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "reward.adapt" in settings and _is_zero(settings["reward.adapt"]):
        yield from (("reward", name) for name in OF_ADAPT)
    if "defence.kind" in settings:
        others = (names for kind, names in OF_KINDS.items() if kind != settings["defence.kind"])
        yield from (("defence", name) for names in others for name in names)
    if any(re.fullmatch(r"groups\.\d+\.unit_cost", name) for name in settings):
        groups = table["groups"] if isinstance(table["groups"], list) else ()
        if all(_is_zero(group.get("unit_cost", 0)) for group in groups if isinstance(group, dict)):
            yield from (("market", field.name) for field in fields(MarketSettings))


def _is_zero(value: Any) -> bool:
    return not str(value).strip("0.")


def _index(name: str, place: Any, key: str) -> int:
    if not isinstance(place, list):
        raise InputError(f"--set {name}: no such setting, because the part before '{key}' holds one value")
    if not (key.isdecimal() and len(key) < 9 and int(key) < len(place)):
        raise InputError(f"--set {name}: '{key}' is not in the session file, which has {len(place)} such tables from 0")
    return int(key)
