"""Settings that had another name once: session files and the command line may still use it.  Pure."""

from collections.abc import Mapping
from typing import Any

from learnae.errors import InputError

RENAMED = {  # old names of settings, and their present names
    "work.budget": "work.max_attempts_per_creator",
    "data.public_rows": "data.judging_rows",
    "data.spread": "data.size_sigma",
    "cost.spread": "cost.speed_sigma",
    "cost.ebb": "cost.late_delay_factor",
    "groups.cost": "groups.unit_cost",
}


def with_present_names(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The same settings under their present names.  Raises InputError if one is given under both."""
    renamed = dict(table)
    for old, new in RENAMED.items():
        section, _, key = old.partition(".")
        block, present = renamed.get(section), new.partition(".")[2]
        blocks = block if isinstance(block, list) else [block]
        if any(isinstance(each, dict) and key in each and present in each for each in blocks):
            raise InputError(f"{name}: {old} is the old name of {new}: leave one of them out")
        if isinstance(block, list):
            renamed[section] = [_with_present_key(each, key, present) for each in block]
        elif block is not None:
            renamed[section] = _with_present_key(block, key, present)
    return renamed


def present_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the command line under their present names.  Raises InputError if one is given under both names."""
    present: dict[str, Any] = {}
    for name, value in settings.items():
        new = _present_name(name)
        if new in present or (new != name and new in settings):
            raise InputError(f"--set {new} is given under two names: leave one of them out")
        present[new] = value
    return present


# private


def _present_name(name: str) -> str:
    """An element of a list is named by its index, such as groups.0.count."""
    *place, key = name.split(".")
    new = RENAMED.get(f"{place[0]}.{key}") if place else None
    return ".".join([*place, new.partition(".")[2]]) if new else name


def _with_present_key(block: Any, old: str, new: str) -> Any:
    """``block``: of settings; anything else is refused later."""
    return {new if key == old else key: value for key, value in block.items()} if isinstance(block, dict) else block
