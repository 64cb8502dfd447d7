"""UCI's files: their quirks are read as meant, whatever else is wrong is refused, and nothing is left half-written."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.learn import uci_files
from tests.learn.uci_files import HEADER, lines, sound, values, write

from learnae.errors import InputError
from learnae.learn.datasets import hepmass
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.hepmass import convert
from learnae.learn.datasets.npz_dataset import read_folder as read


def converted(tmp_path: Path, *paths: Path, verify: bool = True) -> Dataset:
    convert(paths, tmp_path / "hepmass", verify, lambda name, rows, share: None)
    return read(tmp_path / "hepmass")


def test_rows_arrive_in_order_standardised_with_the_mass_rounded_and_scaled(tmp_path: Path) -> None:
    table = converted(tmp_path, sound(tmp_path))
    raw = values()
    wanted = (raw[:, 1:28] - raw[:, 1:28].mean(0)) / raw[:, 1:28].std(0)
    assert table.shape[:2] == (28, 2)
    assert table.features.dtype == torch.float16
    assert table.features[:, :27].numpy() == pytest.approx(wanted, abs=4e-3)
    assert table.labels.tolist() == raw[:, 0].astype(int).tolist()
    assert table.groups is not None
    assert table.groups.tolist() == raw[:, 28].round().astype(int).tolist()
    assert table.features[:, 27].numpy() == pytest.approx((table.groups - 1000) / 353.55, abs=1e-3)
    assert table.mean[:27] == pytest.approx(raw[:, 1:28].mean(0), abs=1e-5)
    assert table.std[:27] == pytest.approx(raw[:, 1:28].std(0), abs=1e-5)


def test_several_files_become_one_table_with_one_standardisation(tmp_path: Path) -> None:
    train, test = sound(tmp_path, "all_train.csv.gz"), sound(tmp_path, "all_test.csv.gz", 100, seed=1)
    table = converted(tmp_path, train, test, verify=False)
    assert len(table) == 400
    assert table.features[:, :27].float().mean(0).abs().max() < 1e-3
    about = json.loads((tmp_path / "hepmass" / "about.json").read_text())
    assert [(part["name"], part["rows"]) for part in about["files"]] == [
        ("all_train.csv.gz", 300),
        ("all_test.csv.gz", 100),
    ]


def test_the_same_files_give_the_same_folder_and_other_rows_another_checksum(tmp_path: Path) -> None:
    about = tmp_path / "hepmass" / "about.json"
    converted(tmp_path, sound(tmp_path))
    first = about.read_text()
    converted(tmp_path, sound(tmp_path))
    assert about.read_text() == first
    converted(tmp_path, sound(tmp_path, seed=1))
    assert json.loads(about.read_text())["sha256"] != json.loads(first)["sha256"]


def test_a_file_larger_than_a_block_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learnae.learn.datasets.hepmass_reader.BLOCK", 10_000)
    monkeypatch.setattr("learnae.learn.datasets.hepmass.CHUNK", 70)
    ticks: list[tuple[int, float]] = []
    convert([sound(tmp_path)], tmp_path / "hepmass", True, lambda name, rows, share: ticks.append((rows, share)))
    assert len(ticks) > 5
    assert ticks[-1] == (300, 1.0)
    assert read(tmp_path / "hepmass").labels.tolist() == values()[:, 0].astype(int).tolist()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("columns", "header"),
    [
        (slice(0, 29), HEADER),  # 1000_train: the header lacks what the rows have
        (slice(0, 29), HEADER + ",mass"),  # 1000_test: a surplus last column
        (slice(0, 28), HEADER),
    ],
)
def test_files_of_one_mass_are_read_whatever_trails_behind_the_features(
    tmp_path: Path, columns: slice, header: str, packed: bool
) -> None:
    raw = values()
    path = write(tmp_path / "1000_train.csv.gz", lines(raw[:, columns]), header)
    if not packed:
        path.write_bytes(gzip.decompress(path.read_bytes()))
    table = converted(tmp_path, path)
    assert table.groups is not None
    assert set(table.groups.tolist()) == {1000}
    assert table.mean[26] == pytest.approx(raw[:, 27].mean(), abs=1e-5)


def test_a_comma_at_the_end_of_each_line_is_no_column(tmp_path: Path) -> None:
    assert len(converted(tmp_path, write(tmp_path / "all.csv.gz", [line + "," for line in lines(values())]))) == 300


def test_a_constant_feature_stays_finite(tmp_path: Path) -> None:
    raw = values()
    raw[:, 5] = 7
    assert converted(tmp_path, write(tmp_path / "all.csv.gz", lines(raw))).features[:, 4].abs().max() < 1e-3


Spoil = Callable[[list[str]], list[str]]


def with_field(line: int, column: int, value: str) -> Spoil:
    """Counted as in the messages: from 1, the header is line 1."""

    def spoil(rows: list[str]) -> list[str]:
        fields = rows[line - 2].split(",")
        fields[column - 1] = value
        return [*rows[: line - 2], ",".join(fields), *rows[line - 1 :]]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (with_field(250, 3, "abc"), r"text in line 250, column 3 \('abc'\)"),
        (with_field(250, 3, "nan"), "no number in line 250, column 3"),
        (with_field(250, 3, ""), "no number in line 250, column 3"),
        (with_field(250, 3, "inf"), "line 250 contains a number too large for a normalised feature"),
        (with_field(250, 1, "2"), "the label in line 250 is 2, not 0 or 1"),
        (with_field(250, 1, ""), "no number in line 250, column 1"),
        (with_field(250, 29, "800"), "the mass in line 250 is 800, none of"),
        (with_field(250, 3, "1e30"), "line 250 contains a number"),
        (lambda rows: [*rows[:100], rows[100].rsplit(",", 1)[0], *rows[101:]], "28 columns in line 102 instead of 29"),
        (lambda rows: [row.rsplit(",", 1)[0] for row in rows], "has no mass column, which only UCI's files 1000_"),
        (lambda rows: [row.rsplit(",", 5)[0] for row in rows], "has 24 columns instead of the label, 27 features"),
        (lambda rows: [row + ",1,2" for row in rows], "has 31 columns instead of"),
        (lambda rows: [row for row in rows if row.startswith("1")], "all rows have class 1"),
        (lambda rows: [], "contains no rows"),
    ],
)
def test_an_unsound_file_is_refused_with_the_line(tmp_path: Path, spoil: Spoil, sentence: str) -> None:
    path = write(tmp_path / "all_part.csv.gz", spoil(lines(values())))
    with pytest.raises(InputError, match=sentence):
        converted(tmp_path, path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("header", ["f0,f1,label", "1.0,2.0,3.0", ""])
def test_a_file_whose_first_column_is_not_the_label_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match="the first column is .* instead of the label"):
        converted(tmp_path, write(tmp_path / "all.csv.gz", lines(values()), header))


def test_truncated_and_damaged_files_are_refused_wherever_they_end(tmp_path: Path) -> None:
    whole = sound(tmp_path).read_bytes()
    path = tmp_path / "cut.csv.gz"
    for end in (10, 30, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="truncated"):
            converted(tmp_path, path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 40] = bytes(40)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"cut\.csv\.gz"):
        converted(tmp_path, path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"cut\.csv\.gz"):
        converted(tmp_path, path)


def test_a_failed_conversion_leaves_the_former_one(tmp_path: Path) -> None:
    converted(tmp_path, sound(tmp_path))
    bad = write(tmp_path / "all_bad.csv.gz", with_field(9, 9, "x")(lines(values())))
    with pytest.raises(InputError):
        converted(tmp_path, bad)
    assert len(read(tmp_path / "hepmass")) == 300
    assert not (tmp_path / "hepmass.part").exists()


def test_a_file_named_like_one_of_ucis_must_be_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sound(tmp_path, "all_test.csv.gz")
    with pytest.raises(
        InputError, match="bytes, but UCI's file of that name has 880,352,641: download it again, or give --no-check"
    ):
        converted(tmp_path, path)
    monkeypatch.setitem(hepmass.CHECKSUMS, "all_test.csv.gz", (path.stat().st_size, "0" * 64))
    with pytest.raises(InputError, match=r"is not UCI's file of that name \(SHA-256 .* instead of 000000000000"):
        converted(tmp_path, path)
    assert not (tmp_path / "hepmass").exists()
    assert len(converted(tmp_path, path, verify=False)) == 300


def test_no_row_comes_in_twice(tmp_path: Path) -> None:
    all_rows, one_mass = sound(tmp_path), sound(tmp_path, "1000_train.csv.gz")
    with pytest.raises(InputError, match="named twice"):
        converted(tmp_path, all_rows, all_rows)
    with pytest.raises(InputError, match="contains the rows of 1000_"):
        converted(tmp_path, all_rows, one_mass)


def test_a_missing_file_names_the_command_that_downloads_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; `learnae data fetch hepmass`"):
        converted(tmp_path, tmp_path / "all_train.csv.gz")


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written .*LEARNAE_DATA"):
        convert([sound(tmp_path)], tmp_path / "file" / "hepmass", True, lambda name, rows, share: None)


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    converted(tmp_path, sound(tmp_path))
    np.save(tmp_path / "hepmass" / "mass.npy", np.zeros(5, np.int16))
    with pytest.raises(InputError, match="do not match each other; convert it again"):
        read(tmp_path / "hepmass")
    features = tmp_path / "hepmass" / "features.npy"
    features.write_bytes(features.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read .* convert it again"):
        read(tmp_path / "hepmass")


def test_the_known_checksums_have_the_length_of_one() -> None:
    assert {len(sha256) for _, sha256 in hepmass.CHECKSUMS.values()} == {64}
    assert uci_files.MASSES == (500, 750, 1000, 1250, 1500)
