"""Every setting can be explained by a program."""

import pytest

from learnae.session.reference import SettingRow, rows
from learnae.session.settings import DataSettings

ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.section}.{row.name}".strip("."))
def test_every_setting_has_a_description_that_is_a_sentence(row: SettingRow) -> None:
    assert row.description[:1].strip() and row.description.endswith(".")


@pytest.mark.parametrize("row", [row for row in ROWS if row.type in ("integer", "number")], ids=lambda row: row.name)
def test_every_number_has_a_range(row: SettingRow) -> None:
    assert row.range


def test_a_row_says_what_a_reader_needs() -> None:
    cap = next(row for row in ROWS if (row.section, row.name) == ("reward", "cap"))
    assert (cap.type, cap.default, cap.unit, cap.range) == ("number", "1", "ETH", "from 0 to 1000000000")
    assert next(row for row in ROWS if row.name == "hidden").default == "[64, 64]"
    assert next(row for row in ROWS if (row.section, row.name) == ("faults", "kind")).default == "required"


def test_the_name_of_the_data_is_its_source_or_the_name_of_its_file() -> None:
    assert DataSettings().name == "hepmass-like"
    assert DataSettings(path="somewhere/own.csv").name == "own.csv"


def test_peers_have_their_own_distributions_where_rows_are_divided_by_what_they_hold() -> None:
    assert not DataSettings().own_distributions and not DataSettings(partition="unequal").own_distributions
    assert DataSettings(partition="by-mass").own_distributions
