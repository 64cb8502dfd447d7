"""Defaults that fit a small table: what is set stays, and every peer gets something to train and to judge by."""

from typing import Any

import pytest

from learnae.protocol.settings import WorkSettings
from learnae.session.settings import DataSettings, Group, ModelSettings, Session
from learnae.session.sizes import FITTED, MIN_ROWS, SLOW, fitted, is_complete, is_fitted

DEFAULT = Session()


@pytest.mark.parametrize("total", [120, 178, 569, 1797, 6000, 20_000, 100_000])
def test_the_parts_of_a_small_table_fit_into_it(total: int) -> None:
    table = fitted({}, DEFAULT, total)
    data = table["data"]
    held = table["peers"] * (data["rows"] + data["validation_rows"])
    assert held + data["test_rows"] + data["judging_rows"] <= total
    assert data["rows"] >= 2 * table["work"]["slices"] and data["validation_rows"] >= MIN_ROWS
    assert table["model"]["batch"] * table["work"]["slices"] <= data["rows"]
    assert is_complete(table)


def test_the_usual_defaults_are_those_of_a_large_table() -> None:
    table = fitted({}, DEFAULT, 280_000)
    assert table["peers"] == DEFAULT.peers
    for block, names in FITTED.items():
        for name in names:
            assert table[block][name] == getattr(getattr(DEFAULT, block), name)


def test_sizes_of_a_file_and_of_a_small_source_follow_from_their_rows() -> None:
    sources = DataSettings(), DataSettings(path="own.csv"), DataSettings(source="sklearn:wine")
    assert [is_fitted(data) for data in sources] == [False, True, True]


def test_what_a_file_sets_stays() -> None:
    given = {
        "name": "mine",
        "peers": 3,
        "data": {"rows": 30, "validation_rows": 20, "judging_rows": 15, "test_rows": 40, "label": "k"},
        "work": {"slices": 4, "passes": 7},
        "model": {"batch": 8, "epochs": 3, "learning_rate": 0.3},
    }
    session = Session(
        name="mine",
        peers=3,
        data=DataSettings(rows=30, validation_rows=20, judging_rows=15, test_rows=40, label="k"),
        work=WorkSettings(slices=4, passes=7),
        model=ModelSettings(batch=8, epochs=3, learning_rate=0.3),
    )
    table = fitted(given, session, 500)
    assert table["data"].pop("own_test_rows") > 0
    assert table == given


def test_what_is_set_decides_the_rest() -> None:
    few = fitted({"peers": 2}, Session(peers=2), 1797)["data"]["rows"]
    many = fitted({"peers": 10}, Session(peers=10), 1797)["data"]["rows"]
    assert few > 4 * many


def test_groups_and_faults_count_peers_so_their_number_stays() -> None:
    groups = (Group(count=2, has_rows=False), Group())
    table = fitted({"groups": [{"count": 2, "has_rows": False}, {}]}, Session(groups=groups), 20_000)
    assert table["peers"] == DEFAULT.peers
    data = table["data"]
    assert 18 * (data["rows"] + data["validation_rows"]) + 2 * data["judging_rows"] + data["test_rows"] <= 20_000


def test_rows_are_held_out_for_each_peer_where_distributions_differ() -> None:
    alike, apart = DEFAULT, Session(data=DataSettings(partition="dirichlet"))
    data = fitted({"data": {"partition": "dirichlet"}}, apart, 5000)["data"]
    assert data["rows"] + data["own_test_rows"] == fitted({}, alike, 5000)["data"]["rows"]


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", SLOW), ("adam", DEFAULT.model.learning_rate)])
def test_sgd_is_slower_on_small_batches(optimizer: Any, rate: float) -> None:
    assert fitted({}, Session(model=ModelSettings(optimizer=optimizer)), 500)["model"]["learning_rate"] == rate


def test_a_file_is_complete_if_nothing_is_left_to_fit() -> None:
    complete = fitted({}, DEFAULT, 500)
    assert is_complete(complete)
    del complete["peers"]
    assert not is_complete(complete)
    assert not is_complete({"peers": 4})
