"""Session files may use the old names of settings."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from learnae.errors import InputError
from learnae.session.assignments import assigned
from learnae.session.renamed_settings import RENAMED
from learnae.session.session_file import load, parse


def written(name: str, **values: Any) -> dict[str, Any]:
    """A session with these settings of one block; groups are a list of such blocks."""
    section = name.partition(".")[0]
    return {section: [values, {"count": 1}] if section == "groups" else values}


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_of_a_setting_is_read_as_the_new_one(old: str, new: str) -> None:
    other = 17 if new.startswith(("work.", "data.j")) else 0.5
    before, present = old.partition(".")[2], new.partition(".")[2]
    assert parse(written(old, **{before: other})) == parse(written(new, **{present: other})) != parse({})
    with pytest.raises(InputError, match=f"^my.toml: {old} is the old name of {new}: leave one of them out$"):
        parse(written(old, **{before: other, present: other}), "my.toml")


def placed(name: str) -> str:
    """As the command line writes it."""
    return name.replace("groups.", "groups.0.")


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_the_command_line_replaces_a_setting_of_the_file_whichever_name_either_uses(
    old: str, new: str, tmp_path: Path
) -> None:
    section, key = new.split(".")
    heading = "[[groups]]" if section == "groups" else f"[{section}]"
    file, sessions = tmp_path / "my.toml", []
    for written_key in (old.partition(".")[2], key):
        file.write_text(f"peers = 4\n{heading}\n{written_key} = 0.5\n")
        sessions += [load(file, {placed(name): 1}) for name in (old, new)]
    assert all(session == sessions[0] for session in sessions)
    changed = getattr(sessions[0], section)
    assert getattr(changed[0] if section == "groups" else changed, key) == 1


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_setting_of_the_command_line_has_one_name(old: str, new: str) -> None:
    with pytest.raises(InputError, match=f"^--set {placed(new)} is given under two names: leave one of them out$"):
        assigned({}, {placed(old): 3, placed(new): 4})
    with pytest.raises(InputError, match="^--set .* is given under two names: leave one of them out$"):
        assigned({}, {placed(new): 3, placed(old): 4})


@pytest.mark.parametrize("key", ["cost", "unit_cost"])
def test_a_market_stays_as_long_as_one_group_has_a_cost_under_any_name(key: str, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    groups = [f'[[groups]]\ncount = 2\n{key} = "0.00001"\n'] * 2
    file.write_text("".join(["peers = 4\n", *groups, "[market]\nwindow = 7\n"]))
    assert load(file, {f"groups.0.{key}": 0}).market.window == 7
    with pytest.raises(InputError, match="market"):
        parse({"peers": 4, "groups": [{"count": 4}], "market": {"window": 7}})
    assert load(file, {f"groups.{number}.{key}": 0 for number in range(2)}).market.window != 7


def test_a_cost_on_the_command_line_replaces_the_one_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text('peers = 4\n[[groups]]\nunit_cost = "0.00001"\n')
    assert load(file, {"groups.0.cost": "0.00002"}).groups[0].unit_cost == Decimal("0.00002")
    with pytest.raises(InputError, match="^command line: groups.0.unit_cost"):
        load(file, {"groups.0.cost": "much"})


@pytest.mark.parametrize("groups", [3, [3], [{"cost": "much"}], {"cost": 1}])
def test_what_is_no_group_is_refused_with_or_without_the_old_name(groups: Any) -> None:
    with pytest.raises(InputError, match="^my.toml: groups"):
        parse({"groups": groups}, "my.toml")
