"""CSV and Parquet files of the user's: what is read from them, and how they are standardised."""

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from tests.learn import small

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset, standardise
from learnae.learn.datasets.partition import load_partitioned, partition
from learnae.learn.datasets.sources import load_dataset
from learnae.learn.datasets.tabular import read
from learnae.session.session_file import parse
from learnae.session.settings import DataSettings, Session


def csv(folder: Path, text: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def parquet(folder: Path, **columns: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "rows.parquet")
    return folder / "rows.parquet"


def test_every_numeric_column_but_the_label_is_a_feature_and_classes_are_sorted(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a,kind,b,name,c\n1,no,2.5,x,true\n3,yes,4.5,y,false\n"), "kind", (), None)
    assert table.features.tolist() == [[1.0, 2.5, 1.0], [3.0, 4.5, 0.0]]
    assert table.labels.tolist() == [0, 1]
    assert table.notice == "Columns that are not numeric are left out: name."
    assert table.mean == ()


def test_named_features_come_in_their_order(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a,k,b\n1,0,2\n3,1,4\n"), "k", ("b", "a"), None)
    assert table.features.tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert table.notice is None


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "ROWS.CSV"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, name: str, delimiter: str) -> None:
    text = "a,b,k\n1,2,0\n3,4,1\n".replace(",", delimiter)
    assert read(csv(tmp_path, text, name), "k", (), None).shape == (2, 2)


def test_parquet_gives_what_csv_gives_whatever_its_types(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        small=pyarrow.array([1, 2, 3], pyarrow.int8()),
        exact=[Decimal("1.5"), Decimal("2.5"), Decimal("3.5")],
        flag=[True, False, True],
        day=[date(2013, 1, 1)] * 3,
        kind=pyarrow.array(["b", "a", "c"]).dictionary_encode(),
    )
    table = read(path, "kind", (), "flag")
    assert table.features.tolist() == [[1.0, 1.5, 1.0], [2.0, 2.5, 0.0], [3.0, 3.5, 1.0]]
    assert table.labels.tolist() == [1, 0, 2]
    assert table.classes == 3
    assert table.groups is not None
    assert table.groups.tolist() == [1, 0, 1]
    assert table.notice is not None
    assert "day" in table.notice


@pytest.mark.parametrize(
    ("columns", "features", "sentence"),
    [
        ({"k": [0, 1], "d": [date(2013, 1, 1)] * 2}, ("d",), "column 'd' has type date32.day., which is not numeric"),
        ({"k": [0, 1], "x": [1.0, float("nan")]}, (), r"column 'x' contains nan in row 2 \(1 such rows\)"),
        ({"k": [0, 1], "x": [1.0, None]}, (), "column 'x' has no value in row 2"),
        ({"k": [0, None], "x": [1.0, 2.0]}, (), "column 'k' has no value in row 2"),
        ({"k": [0.0, float("nan")], "x": [1.0, 2.0]}, (), "column 'k' contains nan"),
        ({"k": [0, 1], "x": ["1", None]}, ("x",), "column 'x' contains text"),
        ({"k": [0, 1], "x": ["a", "b"]}, (), "no numeric column besides 'k'"),
        ({"k": list(range(101)), "x": [1] * 101}, (), "101 different values, a quantity rather than classes"),
    ],
)
def test_unsound_columns_are_refused(
    tmp_path: Path, columns: dict[str, Any], features: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read(parquet(tmp_path, **columns), "k", features, None)


def test_a_text_column_that_was_meant_to_be_numbers_is_not_left_out_silently(tmp_path: Path) -> None:
    rows = "\n".join(f"{number},{number % 2}" for number in range(10))
    with pytest.raises(InputError, match=r"column 'a' contains text in row 11 \('1O'\)"):
        read(csv(tmp_path, f"a,k\n{rows}\n1O,0\n"), "k", (), None)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be read .Empty CSV file"),
        (b"a,a,k\n1,2,0\n", "two columns named 'a'"),
        (b"a,k\n1,0\n2\n", "Expected 2 columns, got 1"),
        (b"a,k\n1,0\n2,0\n", "all rows have the same class"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "rows.csv", "k", (), None)


def test_a_file_is_standardised_by_the_rows_that_peers_train_on_and_by_no_others() -> None:
    raw = Dataset(torch.randn(1000, 3, dtype=torch.float64) * 7 + 3, torch.arange(1000) % 2)
    test = partition(raw, small.SESSION).test
    raw.features[test] += 100
    table, split = load_partitioned(small.SESSION, raw)
    trained = table.features[torch.cat([rows.train for rows in split.peers])]
    assert trained.mean(0).abs().max() < 1e-5
    assert (trained.std(0, correction=0) - 1).abs().max() < 1e-5
    assert table.features[split.test].mean() > 10
    assert table.features.dtype == torch.float32
    assert (raw.features * 1.0).mean() > 10  # what was loaded is untouched: another session may share it


def test_indicators_and_constants_stay_as_they_are() -> None:
    features = torch.tensor([[0.0, 5.0, 1.0], [1.0, 5.0, 3.0], [0.0, 5.0, 5.0]], dtype=torch.float64)
    table = standardise(Dataset(features, torch.tensor([0, 1, 0])), torch.arange(3))
    assert table.features[:, :2].tolist() == [[0.0, 5.0], [1.0, 5.0], [0.0, 5.0]]
    assert table.mean[:2] == (0.0, 0.0)
    assert table.std[:2] == (1.0, 1.0)


def test_a_table_that_came_standardised_is_left_alone() -> None:
    assert standardise(small.TABLE, torch.arange(3)) is small.TABLE


def test_network_and_training_follow_the_table_also_with_three_classes(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    x = dice.normal(size=(1000, 2))
    kind = np.where(x[:, 0] > 0.5, "c", np.where(x[:, 0] < -0.5, "a", "b"))
    path = parquet(tmp_path, x=x[:, 0], y=x[:, 1], kind=kind.tolist())
    data = {"path": str(path), "label": "kind", "rows": 120, "validation_rows": 40, "public_rows": 30, "test_rows": 100}
    session: Session = parse({"peers": 4, "data": data, "work": {"slices": 3}, "model": {"hidden": [8], "batch": 16}})
    assert load_dataset(session.data).shape == (2, 3)
    swarm = small.Swarm(session, table=load_dataset(session.data))
    made, score = swarm.trainers[0].train(swarm.initial, 0, 0, 1).result()
    assert len(swarm.blocks[made.cid]) < 2000
    assert score.total == 40


def test_the_flights_are_a_table_with_weather_schedule_and_carrier() -> None:
    table = load_dataset(DataSettings(source="flights", column="carrier"))
    assert table.shape == (137, 2)
    assert len(table) == 327_346
    assert table.labels.float().mean().item() == pytest.approx(0.4063, abs=1e-4)
    assert table.groups is not None
    assert len(np.unique(table.groups)) == 16
    assert torch.isfinite(table.features).all()
