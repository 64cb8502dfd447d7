"""The table: what is read, and what is refused with one sentence."""

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from data import adult_like
from tests.learn.small import write

from learnae import resources
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.learn.datasets.dataset import FEATURES
from learnae.learn.datasets.partition import load_partitioned, partition
from learnae.learn.datasets.sources import count_rows, load_dataset, source_file
from learnae.plugins import BUILT_IN, Kind
from learnae.session.settings import LARGE_SOURCES, DataSettings, Session


def test_a_file_becomes_one_float32_array_with_the_mass_as_its_last_column(tmp_path: Path) -> None:
    table = load_dataset(DataSettings(source=str(write(tmp_path / "rows.npz", mass=np.full(50, 1500)))))
    assert table.features.shape == (50, FEATURES)
    assert table.features.dtype == torch.float32
    assert table.features[:, -1].numpy() == pytest.approx(500 / 353.55)
    assert table.labels.dtype == torch.int64
    assert len(table) == 50


def test_the_standardisation_travels_with_the_table(tmp_path: Path) -> None:
    table = load_dataset(DataSettings(source=str(write(tmp_path / "rows.npz"))))
    assert table.mean == (*range(27), 1000.0)
    assert table.std == (*[1.0] * 27, 353.55)


def test_the_shipped_rows_are_those_of_the_data_card() -> None:
    golden = "5973165d42f622c0a4b8338c5609ff24544b1520a28d73063935c21e011dbb65"
    file = resources.ROWS
    assert hashlib.sha256(file.read_bytes()).hexdigest() == golden
    assert golden in (REPOSITORY / "data" / "README.md").read_text()


@pytest.mark.parametrize("how", ["iid", "by-mass"])
def test_the_shipped_rows_are_enough_for_the_default_session(how: Literal["iid", "by-mass"]) -> None:
    session = Session(data=DataSettings(partition=how))
    assert partition(load_dataset(session.data), session).notice is None


def test_an_unknown_source_names_those_that_exist() -> None:
    with pytest.raises(InputError, match="no file higgs; use one of hepmass-like, hepmass, flights, adult-like, sk"):
        source_file(DataSettings(source="higgs"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mass": None, "std": None}, "lacks std, mass"),
        ({"features": np.zeros((50, 26))}, r"features has shape \(50, 26\) instead of \(50, 27\)"),
        ({"label": np.zeros(49)}, "instead of"),
        ({"label": np.float32(1)}, "instead of"),
        ({"features": np.full((50, 27), np.nan)}, "features contains values that are not finite numbers"),
        ({"mass": np.full(50, np.inf)}, "mass contains values"),
        ({"mean": np.array(["x"] * 27)}, "mean contains values"),
        ({"label": np.full(50, 2)}, "values other than 0 and 1"),
    ],
)
def test_an_unsound_file_is_refused_with_cause_and_fix(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    path = write(tmp_path / "rows.npz", **changes)
    with pytest.raises(InputError, match=sentence) as caught:
        load_dataset(DataSettings(source=str(path)))
    assert str(caught.value).endswith("generate the file again")


def test_the_rows_of_a_file_are_counted(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text('a,k\n1,"x\ny"\n2,z\n')
    assert count_rows(DataSettings(path=str(tmp_path / "own.csv"), label="k")) == 2
    assert count_rows(DataSettings(source=str(write(tmp_path / "rows.npz")))) == 50


def test_the_large_sources_of_the_settings_can_be_read() -> None:
    assert {*LARGE_SOURCES} < {*BUILT_IN[Kind.DATASETS]}


def test_the_shipped_people_follow_from_their_generator() -> None:
    assert adult_like.main(["--check"]) == 0


def test_text_columns_and_missing_values_of_the_shipped_people_are_encoded() -> None:
    session = Session(peers=4, data=DataSettings(source="adult-like", rows=300, validation_rows=50, test_rows=500))
    people, _ = load_partitioned(session)
    facts = {fact["column"]: fact for fact in people.encoding}
    assert {"values", "indicator"} <= facts["occupation"].keys() and "?" not in facts["occupation"]["values"]
    assert {"median", "indicator"} <= facts["hours-per-week"].keys()
    assert people.notice is None and bool(people.features.isfinite().all())


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    sound = write(tmp_path / "rows.npz").read_bytes()
    damaged = bytearray(sound)
    damaged[200:260] = bytes(60)
    for content in (b"", b"rows", sound[:500], bytes(damaged)):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.npz"):
            load_dataset(DataSettings(source=str(tmp_path / "bad.npz")))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.npz", label=np.array([print] * 50, dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        load_dataset(DataSettings(source=str(path)))
