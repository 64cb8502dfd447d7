"""Archives of arrays and the tables of scikit-learn as data."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnae.errors import InputError
from learnae.learn.datasets.scikit_learn import PREFIX
from learnae.learn.datasets.sources import count_rows, load_dataset, source_file
from learnae.plugins import BUILT_IN, Kind
from learnae.session.settings import DataSettings
from learnae.session.task import REGRESSION

IMAGES = np.arange(4 * 3 * 2, dtype=np.uint8).reshape(4, 3, 2)


def archive(folder: Path, **arrays: Any) -> DataSettings:
    np.savez(folder / "images.npz", **arrays)
    return DataSettings(path=str(folder / "images.npz"), label="y")


@pytest.mark.parametrize("labels", [np.array([2, 7, 2, 7]), np.array(["cat", "dog", "cat", "dog"])])
def test_images_become_rows_of_numbers_and_classes_are_sorted(tmp_path: Path, labels: Any) -> None:
    data = archive(tmp_path, x=IMAGES, y=labels)
    table = load_dataset(data)
    assert table.features.tolist() == IMAGES.reshape(4, 6).tolist()
    assert (table.labels.tolist(), table.classes) == ([0, 1, 0, 1], 2)
    assert count_rows(data) == 4


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": IMAGES}, "has no array 'y': set data.label to one of x"),
        ({"x": IMAGES, "z": IMAGES, "y": np.arange(4)}, "name one of them in data.features"),
        ({"x": IMAGES[:3], "y": np.arange(4)}, r"shape \(3, 3, 2\) and labels of shape \(4,\) do not match"),
        ({"x": IMAGES.astype(str), "y": np.arange(4)}, "features contain values that are not finite"),
        ({"x": np.full((4, 2), np.nan), "y": np.arange(4)}, "features contain values that are not finite"),
        ({"x": IMAGES, "y": np.zeros(4)}, "neither integers, true/false nor text.*set data.task"),
        ({"x": IMAGES, "y": np.zeros(4, int)}, "all rows have the same class"),
        (
            {"x": np.zeros((101, 2)), "y": np.arange(101)},
            "101 different classes, max 100: group them, or set data.task",
        ),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(tmp_path: Path, arrays: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_dataset(archive(tmp_path, **arrays))


def test_numbers_are_labels_of_a_regression(tmp_path: Path) -> None:
    data = replace(archive(tmp_path, x=IMAGES, y=np.array([2, 7, 2, 9])), task=REGRESSION)
    table = load_dataset(data)
    assert table.labels.tolist() == [2.0, 7.0, 2.0, 9.0] and table.classes == 1
    for labels, sentence in (
        (np.array([1.0, np.nan, 2, 3]), "labels contain values that are not finite numbers"),
        (np.array(["a", "b", "a", "b"]), "labels contain values that are not finite numbers"),
        (np.full(4, 0.5), "all rows have the same label"),
    ):
        archive(tmp_path, x=IMAGES, y=labels)
        with pytest.raises(InputError, match=sentence):
            load_dataset(data)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    data = archive(tmp_path, x=IMAGES, y=np.array([0, 1, 0, 1]))
    content = (tmp_path / "images.npz").read_bytes()
    for damaged in (content[:100], content[:200] + bytes(100) + content[300:]):
        (tmp_path / "images.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"images\.npz .*save the file again"):
            load_dataset(data)


@pytest.mark.parametrize(("name", "shape"), [("digits", (64, 10)), ("wine", (13, 3)), ("diabetes", (10, 1))])
def test_the_tables_of_scikit_learn_are_read_by_name(name: str, shape: tuple[int, int]) -> None:
    table = load_dataset(DataSettings(source=f"sklearn:{name}"))
    assert table.shape[:2] == shape and len(table) == count_rows(DataSettings(source=f"sklearn:{name}"))
    assert len(table.sha256) == 64


@pytest.mark.parametrize("source", [name for name in BUILT_IN[Kind.DATASETS] if name.startswith(PREFIX)])
def test_each_of_them_has_a_file_that_identifies_its_rows(source: str) -> None:
    assert source_file(DataSettings(source=source)).is_file()


def test_another_name_and_a_missing_library_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="sklearn:breast_cancer, sklearn:diabetes, sklearn:digits"):
        load_dataset(DataSettings(source="sklearn:mnist"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("learnae.learn.datasets.scikit_learn.find_spec", lambda name: None)
    with pytest.raises(InputError, match="run `pip install scikit-learn`"):
        load_dataset(DataSettings(source="sklearn:wine"))
