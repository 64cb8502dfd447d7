"""CSV and Parquet files of the user's: what is read from them, and how they are standardised."""

import gzip
from collections.abc import Callable
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
from learnae.learn.datasets import tabular
from learnae.learn.datasets.dataset import Dataset, standardise
from learnae.learn.datasets.encoding import encode as encoded
from learnae.learn.datasets.partition import load_partitioned, partition
from learnae.learn.datasets.sources import load_dataset
from learnae.session.session_file import parse
from learnae.session.settings import DataSettings, EncodeSettings, Session
from learnae.session.task import REGRESSION


def read(path: Path, label: str, features: tuple[str, ...], column: str | None, **settings: Any) -> Dataset:
    return tabular.read(path, DataSettings(path=str(path), label=label, features=features, column=column, **settings))


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
    assert table.notice == (
        "Columns that are not numeric are left out: name. To keep one of them, name it in data.encode.one_hot."
    )
    assert table.mean == ()


def test_named_features_come_in_their_order(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a,k,b\n1,0,2\n3,1,4\n"), "k", ("b", "a"), None)
    assert table.features.tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert table.notice is None


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "ROWS.CSV"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, name: str, delimiter: str) -> None:
    text = "a,b,k\n1,2,0\n3,4,1\n".replace(",", delimiter)
    assert read(csv(tmp_path, text, name), "k", (), None).shape[:2] == (2, 2)


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
        ({"k": [0, 1], "x": ["1", None]}, ("x",), "column 'x' has no value in row 2"),
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


@pytest.mark.parametrize("encode", [{}, {"encode": EncodeSettings(one_hot=("d",))}])
@pytest.mark.parametrize("huge", [(1.7e308, -1.7e308), (1e60, 1e60)])
def test_a_column_too_large_to_standardise_is_named(
    tmp_path: Path, huge: tuple[float, float], encode: dict[str, Any]
) -> None:
    path = parquet(tmp_path, d=["u", "v"] * 20, a=[1.0, 2.0] * 20, b=huge * 20, c=[0, 1] * 20)
    rows = torch.arange(40)
    with pytest.raises(InputError, match="column 'b' has values that are too large"):
        standardise(encoded(read(path, "c", (), None, **encode), rows), rows)
    with pytest.raises(InputError, match="feature 2 has values that are too large"):
        standardise(Dataset(torch.tensor([[1.0, huge[0]], [2.0, huge[1]]]).double(), torch.arange(2)), torch.arange(2))


def test_a_table_that_came_standardised_is_left_alone() -> None:
    assert standardise(small.TABLE, torch.arange(3)) is small.TABLE


def test_network_and_training_follow_the_table_also_with_three_classes(tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    x = dice.normal(size=(1000, 2))
    kind = np.where(x[:, 0] > 0.5, "c", np.where(x[:, 0] < -0.5, "a", "b"))
    path = parquet(tmp_path, x=x[:, 0], y=x[:, 1], kind=kind.tolist())
    data = {
        "path": str(path),
        "label": "kind",
        "rows": 120,
        "validation_rows": 40,
        "judging_rows": 30,
        "test_rows": 100,
    }
    session: Session = parse({"peers": 4, "data": data, "work": {"slices": 3}, "model": {"hidden": [8], "batch": 16}})
    assert load_dataset(session.data).shape[:2] == (2, 3)
    swarm = small.Swarm(session, table=load_dataset(session.data))
    made, score = swarm.trainers[0].train(swarm.initial, 0, 0, 1).result()
    assert len(swarm.blocks[made.cid]) < 2000
    assert score.total == 40


def test_the_flights_are_a_table_with_weather_schedule_and_carrier() -> None:
    table = load_dataset(DataSettings(source="flights", column="carrier"))
    assert table.shape[:2] == (137, 2)
    assert len(table) == 327_346
    assert table.labels.float().mean().item() == pytest.approx(0.4063, abs=1e-4)
    assert table.groups is not None
    assert len(np.unique(table.groups)) == 16
    assert torch.isfinite(table.features).all()


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__"])
def test_an_index_of_pandas_is_left_out_with_a_notice(tmp_path: Path, name: str) -> None:
    table = read(csv(tmp_path, f"{name},a,k\n7,1,0\n2,3,1\n2,4,1\n"), "k", (), None)
    assert table.features.tolist() == [[1.0], [3.0], [4.0]]
    assert table.notice == f"Columns that number the rows are left out: {name or '(without a name)'}."


def test_a_column_that_counts_the_rows_is_left_out_unless_features_name_it(tmp_path: Path) -> None:
    path = csv(tmp_path, "id,a,k\n" + "".join(f"{row},{row * row % 7},{row % 2}\n" for row in range(1, 31)))
    assert read(path, "k", (), None).notice == "Columns that number the rows are left out: id."
    assert read(path, "k", ("id", "a"), None).shape[:2] == (2, 2)


@pytest.mark.parametrize(
    "number", [lambda row: f"{row}.0", lambda row: row * 10 + 5, lambda row: 100 - row], ids=["float", "steps", "down"]
)
def test_row_numbers_are_recognised_however_they_count(tmp_path: Path, number: Callable[[int], object]) -> None:
    rows = "".join(f"{number(row)},{row * row % 7},{row % 2}\n" for row in range(30))
    assert read(csv(tmp_path, "id,a,k\n" + rows), "k", (), None).notice == (
        "Columns that number the rows are left out: id."
    )


def test_a_column_in_equal_steps_that_are_not_whole_numbers_is_a_measurement(tmp_path: Path) -> None:
    rows = "".join(f"{row / 10},{row * row % 7},{row % 2}\n" for row in range(30))
    assert read(csv(tmp_path, "time,a,k\n" + rows), "k", (), None).shape[:2] == (2, 2)


@pytest.mark.parametrize("text", ["NA", "?", "None"])
def test_a_class_that_may_stand_for_a_missing_value_is_reported(tmp_path: Path, text: str) -> None:
    table = read(csv(tmp_path, f"a,k\n1,x\n2,{text}\n3,y\n"), "k", (), None)
    assert table.notice == f"{text} is one of the 3 classes, and may stand for a missing value."


def test_names_and_texts_lose_their_blanks(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a, kind \n1, yes\n2,yes \n3, no\n"), "kind", (), None)
    assert table.labels.tolist() == [1, 1, 0]


@pytest.mark.parametrize("blank", ["", " ", '""'])
def test_a_text_label_that_is_empty_is_missing(tmp_path: Path, blank: str) -> None:
    with pytest.raises(InputError, match=r"column 'k' has no value in row 2 \(1 such rows\)"):
        read(csv(tmp_path, f"a,k\n1,x\n2,{blank}\n3,y\n"), "k", (), None)


def test_classes_that_differ_in_a_full_stop_or_case_are_reported(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a,k\n1,<=50K\n2,<=50K.\n3,>50K\n"), "k", (), None)
    assert table.classes == 3
    assert table.notice == "Some of the 3 classes have almost the same name: '<=50K', '<=50K.', '>50K'."


@pytest.mark.parametrize(
    "columns",
    [{"k": [[0], [1]], "a": [1, 2]}, {"k": [{"x": 0}, {"x": 1}], "a": [1, 2]}],
)
def test_a_label_with_several_values_per_row_is_refused(tmp_path: Path, columns: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="column 'k' has type .*, which holds more than one value per row"):
        read(parquet(tmp_path, **columns), "k", (), None)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("0.0e+00,4.1\n1.0e+00,3.3\n", "label"),
        ("0.0e+00,4.1\n1.0e+00,3.3\n", "0.0e+00"),
        ("5.1,3.5,setosa\n5.0,3.4,virginica\n", "class"),
    ],
)
def test_a_file_without_a_header_is_recognised(tmp_path: Path, text: str, label: str) -> None:
    with pytest.raises(
        InputError, match="seems to have no header, .* set data.header = false and .* position, such as"
    ):
        read(csv(tmp_path, text), label, (), None)


def test_columns_without_a_header_are_named_by_position(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "0.0,4.1,x\n1.0,3.3,y\n"), "c0", (), None, header=False)
    assert table.features.tolist() == [[4.1], [3.3]]


def test_numbers_in_ascending_order_may_be_the_names_of_columns(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "0,1,2\n5,3,1\n5,3,0\n"), "2", (), None).shape[:2] == (2, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_recognised(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("größe;klasse\n1;gut\n2;übel\n".encode(encoding))
    table = read(path, "klasse", ("größe",), None)
    assert table.labels.tolist() == [0, 1]
    assert (table.notice is not None) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("content", "encoding", "sentence"),
    [
        (b"a,k\n1,\x81\n2,b\n", None, "not encoded as cp1252: set data.encoding"),
        (b"a,k\n1,\xdf\n2,b\n", "utf-8", "not encoded as utf-8: set data.encoding"),
        (b"a,k\n1,a\n2,b\n", "utf-7bit", 'data.encoding = "utf-7bit": no such encoding'),
        (b"a,k\n1,a\n2,b\n", "cp\0", "no such encoding"),
    ],
)
def test_a_wrong_encoding_is_refused(tmp_path: Path, content: bytes, encoding: str | None, sentence: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        read(tmp_path / "rows.csv", "k", (), None, encoding=encoding)


def test_decimal_commas_are_recognised(tmp_path: Path) -> None:
    table = read(csv(tmp_path, "a;b;c;k\n1,5;1,250;7;0\n-,5;2;8;1\n"), "k", (), None)
    assert table.features.tolist() == [[1.5, 1.25, 7.0], [-0.5, 2.0, 8.0]]
    assert table.notice == "Columns with decimal commas: a, b."


def test_numbers_that_are_padded_with_unusual_blanks_are_numbers_and_a_thousands_comma_is_named(tmp_path: Path) -> None:
    assert read(csv(tmp_path, "a,k\n1,0\n2\u00a0,1\n"), "k", (), None).features.tolist() == [[1.0], [2.0]]
    with pytest.raises(InputError, match=r"contains text in row 2 \('1,234'\)"):
        read(csv(tmp_path, 'a,k\n7,0\n"1,234",1\n'), "k", (), None)


@pytest.mark.parametrize("text", ["a;k\n1,234;0\n22,345;1\n", 'a,k\n"1,5",0\n"2,5",1\n'])
def test_commas_that_may_separate_thousands_are_not_read_as_decimal_commas(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="column 'a' contains text in row 1"):
        read(csv(tmp_path, text), "k", (), None)


def test_a_quoted_cell_may_contain_newlines_wherever_the_reader_divides_the_file(tmp_path: Path) -> None:
    rows = "".join(f'{row % 7},"line one\nline two of {row}",{row % 2}\n' for row in range(50_000))
    assert len(read(csv(tmp_path, f"a,text,k\n{rows}"), "k", (), None)) == 50_000


def test_gzip_is_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(gzip.compress(b"a,k\n1,0\n2,1\n"))
    (tmp_path / "rows.csv.gz").write_bytes(b"a,k\n1,0\n2,1\n")
    assert len(read(tmp_path / "rows.csv", "k", (), None)) == len(read(tmp_path / "rows.csv.gz", "k", (), None)) == 2


@pytest.mark.parametrize("first", ["9" * 5000, "\u00b2"])
def test_a_header_of_digits_that_are_no_integers_is_read_like_any_other(tmp_path: Path, first: str) -> None:
    with pytest.raises(InputError):
        read(csv(tmp_path, f"{first},2\n5,0\n6,1\n"), "3", (), None)


def test_a_column_of_numbers_is_the_label_of_a_regression(tmp_path: Path) -> None:
    path = csv(tmp_path, "x,price\n1,100.5\n2,\n3,250\n")
    with pytest.raises(InputError, match="'price' has no value in row 2"):
        read(path, "price", (), None, task=REGRESSION)
    with pytest.raises(
        InputError, match=r"'price' contains text in row 1 \('x9'\): it is the label: put a number there"
    ):
        read(csv(tmp_path, "x,price\n1,x9\n2,y\n"), "price", (), None, task=REGRESSION)
    table = read(csv(tmp_path, "x,price\n1,100.5\n2,90\n3,250\n"), "price", (), None, task=REGRESSION)
    assert table.labels.tolist() == [100.5, 90.0, 250.0] and table.classes == 1
    with pytest.raises(InputError, match="all rows have the same label"):
        read(csv(tmp_path, "x,price\n1,7\n2,7\n"), "price", (), None, task=REGRESSION)
    many = csv(tmp_path, "x,price\n" + "".join(f"{x},{x / 2}\n" for x in range(200)))
    with pytest.raises(
        InputError, match='200 different values, .*: set data.task = "regression" to predict the number'
    ):
        read(many, "price", (), None)
