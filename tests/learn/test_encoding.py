"""Text columns and missing values: what they become, and that only training rows decide it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learnae.errors import InputError
from learnae.learn.datasets import shard_file
from learnae.learn.datasets.dataset import Dataset, PeerRows
from learnae.learn.datasets.encoding import encode
from learnae.learn.datasets.partition import load_partitioned
from learnae.learn.datasets.sources import load_dataset
from learnae.runtime.shard_learning import ShardLearning
from learnae.session.session_file import parse
from learnae.session.settings import DataSettings, EncodeSettings

ROWS = """age,job,size,remark,k
30,nurse,S,a,0
?,chef,M,b,1
50,nurse,L,c,0
40,pilot,M,d,1
"""
ALL = EncodeSettings(one_hot=("job",), ordinal=(("size", "S", "M", "L"),), impute=("*",))


def load(folder: Path, text: str = ROWS, encode: EncodeSettings = ALL, **more: Any) -> Dataset:
    (folder / "rows.csv").write_text(text)
    return load_dataset(DataSettings(path=str(folder / "rows.csv"), label="k", encode=encode, **more))


def encoded(folder: Path, rows: list[int], text: str = ROWS, settings: EncodeSettings = ALL) -> Dataset:
    return encode(load(folder, text, settings), torch.tensor(rows))


def test_columns_become_numbers_by_what_the_training_rows_hold(tmp_path: Path) -> None:
    table = encoded(tmp_path, [0, 1, 2])
    assert table.features.tolist() == [  # age, age is missing, chef, nurse, size
        [30, 0, 0, 1, 0],
        [40, 1, 1, 0, 1],
        [50, 0, 0, 1, 2],
        [40, 0, 0, 0, 1],  # no training row has a pilot
    ]
    assert table.statistics["encoding"] == [
        {"column": "age", "median": 40.0, "indicator": True},
        {"column": "job", "values": ["chef", "nurse"]},
        {"column": "size", "order": ["S", "M", "L"]},
    ]
    assert (table.notice or "").startswith("Columns that are not numeric are left out: remark. To keep one of them, ")


def test_a_value_that_only_test_rows_lack_gets_no_indicator(tmp_path: Path) -> None:
    table = encoded(tmp_path, [0, 2, 3])
    assert table.features[:, 0].tolist() == [30, 40, 50, 40]
    assert table.shape[0] == 4  # age, nurse, pilot, size


def test_a_missing_text_is_no_value_of_its_column(tmp_path: Path) -> None:
    settings = EncodeSettings(one_hot=("*",), impute=("*",))
    table = encoded(tmp_path, [0, 1, 2], "job,k\nchef,0\n?,1\nnurse,0\n", settings)
    assert table.features.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_a_star_stands_for_text_columns_with_few_values_and_for_columns_that_lack_some(tmp_path: Path) -> None:
    rows = "".join(f"{n},text {n},{n % 3},{'ab'[n % 2]}\n" for n in range(60))
    table = load(tmp_path, f"n,remark,k,job\n{rows}", EncodeSettings(one_hot=("*",), impute=("*",)))
    assert [(column.name, column.one_hot, column.impute) for column in table.columns] == [("job", True, False)]


def test_numbers_alone_are_read_as_before(tmp_path: Path) -> None:
    table = load(tmp_path, "a,b,k\n1,2,0\n3,4,1\n", EncodeSettings(one_hot=("*",), impute=("*",)))
    assert table.columns == () and encode(table, torch.arange(2)) is table
    assert "encoding" not in table.statistics


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (EncodeSettings(one_hot=("jobs",)), "has no column 'jobs': set data.encode.one_hot to one of age, job"),
        (
            EncodeSettings(ordinal=(("size", "S", "M"),), impute=("age",)),
            "'size' contains 'L', which its entry of data.encode.ordinal",
        ),
        (EncodeSettings(one_hot=("job",)), "'age' contains text in row 2"),
        (EncodeSettings(impute=("age", "remark")), "'remark' contains text in row 1"),
    ],
)
def test_what_cannot_be_encoded_is_refused(tmp_path: Path, settings: EncodeSettings, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence.replace("(", r"\(")):
        load(tmp_path, encode=settings)


def test_a_one_hot_column_without_a_value_is_refused_unless_it_is_imputed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'job' has no value in row 2"):
        load(tmp_path, "job,k\nchef,0\n,1\nnurse,0\n", EncodeSettings(one_hot=("job",)))


def test_a_column_of_too_many_values_and_one_without_training_values_are_refused(tmp_path: Path) -> None:
    names = "".join(f"name {n},{n % 2}\n" for n in range(1001))
    with pytest.raises(InputError, match="'job' contains 1,001 different values, too many"):
        load(tmp_path, f"job,k\n{names}", EncodeSettings(one_hot=("job",)))
    with pytest.raises(InputError, match="'age' has no value in any training row"):
        encoded(tmp_path, [1])


@pytest.mark.parametrize(
    ("encode", "sentence"),
    [
        ({"one_hot": ["k"]}, "data.label is in data.encode"),
        ({"ordinal": [["size", "S"]]}, "write each entry as a column and its different values"),
        ({"ordinal": [["size", "S", "M"]], "one_hot": ["size"]}, "names a column twice"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(encode: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        parse({"data": {"path": "rows.csv", "label": "k", "encode": encode}})


def test_the_settings_belong_to_a_file_of_ones_own() -> None:
    with pytest.raises(InputError, match="belong to a file of your own"):
        parse({"data": {"encode": {"one_hot": ["*"]}}})


def test_a_peer_with_its_own_rows_agrees_on_the_encoding(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    rows = "".join(f"{x:.3f},{'ab'[n % 2]},{n % 3 // 2}\n" for n, x in enumerate(dice.normal(size=300)))
    (tmp_path / "rows.csv").write_text(f"x,job,k\n{rows}")
    data = {"path": str(tmp_path / "rows.csv"), "label": "k", "encode": {"one_hot": ["job"]}}
    session = parse({"peers": 4, "data": data}, count_rows=lambda _: 300)
    table, split = load_partitioned(session)
    assert table.shape[:2] == (3, 2)
    held: PeerRows = split.peers[1]
    shard_file.save(tmp_path / "rows.npz", table, held)
    assert ShardLearning(session, tmp_path).statistics == table.statistics
    assert shard_file.load(tmp_path / "rows.npz")[0].statistics == table.statistics
