"""Session files may use the old names of settings."""

from typing import Any

import pytest

from learnae.errors import InputError
from learnae.session.session_file import RENAMED, parse


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


@pytest.mark.parametrize("groups", [3, [3], [{"cost": "much"}], {"cost": 1}])
def test_what_is_no_group_is_refused_with_or_without_the_old_name(groups: Any) -> None:
    with pytest.raises(InputError, match="^my.toml: groups"):
        parse({"groups": groups}, "my.toml")
