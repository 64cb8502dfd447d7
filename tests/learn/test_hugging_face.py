"""Folders as ``Dataset.save_to_disk`` writes them, and single Arrow files, are tables like any other."""

import json
from pathlib import Path

import pyarrow
import pytest

from learnae.errors import InputError
from learnae.learn.datasets import hugging_face
from learnae.learn.datasets.sources import count_rows, load_dataset, source_sha256
from learnae.session.settings import DataSettings, EncodeSettings

ROWS = pyarrow.table({"x": [1.0, 2.0, 3.0, 4.0], "job": ["a", "b", None, "a"], "k": [0, 1, 1, 0]})


def stream(path: Path, rows: pyarrow.Table) -> Path:
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows)
    return path


def saved(folder: Path, rows: pyarrow.Table = ROWS, cut: int = 3) -> Path:
    """Two files, of ``cut`` rows and of the others."""
    folder.mkdir(parents=True)
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for name, part in zip(names, (rows.slice(0, cut), rows.slice(cut)), strict=True):
        stream(folder / name, part)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    return folder


def settings(path: Path) -> DataSettings:
    return DataSettings(path=str(path), label="k", encode=EncodeSettings(one_hot=("*",), impute=("*",)))


def test_the_rows_of_all_files_of_a_folder_are_read_in_order(tmp_path: Path) -> None:
    found = load_dataset(settings(saved(tmp_path / "people")))
    assert found.features[:, 0].tolist() == [1, 2, 3, 4] and found.labels.tolist() == [0, 1, 1, 0]
    assert found.columns[1].values == ("a", "b") and found.features[2, 1].isnan()
    assert count_rows(settings(tmp_path / "people")) == 4


def test_a_folder_is_identified_by_its_rows(tmp_path: Path) -> None:
    one, same = (source_sha256(settings(saved(tmp_path / name))) for name in ("one", "same"))
    other = source_sha256(settings(saved(tmp_path / "other", ROWS.set_column(2, "k", [[1, 0, 1, 0]]))))
    assert one == same == load_dataset(settings(tmp_path / "one")).sha256 != other


@pytest.mark.parametrize("kind", ["stream", "feather"])
def test_a_single_arrow_file_is_a_table(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "rows.arrow"
    if kind == "stream":
        stream(path, ROWS)
    else:
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, ROWS.schema) as writer:
            writer.write_table(ROWS)
    assert load_dataset(settings(path)).labels.tolist() == [0, 1, 1, 0]


def test_a_file_that_needs_more_memory_than_there_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> None:
        raise MemoryError("malloc of size 9 failed")

    monkeypatch.setattr(hugging_face, "read_arrow", read)
    with pytest.raises(InputError, match=r"rows\.arrow cannot be read \(malloc of size 9 failed\)"):
        load_dataset(settings(stream(tmp_path / "rows.arrow", ROWS)))


def test_the_working_directory_has_a_name_in_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path.name} is a folder without state.json"):
        load_dataset(settings(Path()))


def test_a_folder_of_several_splits_names_them(tmp_path: Path) -> None:
    for split in ("train", "test"):
        saved(tmp_path / "people" / split)
    (tmp_path / "people" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(InputError, match=r"people holds several tables \(test, train\): name the folder of one"):
        load_dataset(settings(tmp_path / "people"))


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (None, "people is a folder without state.json: name"),
        ("[]", "state.json does not list the files of a data set"),
        ('{"_data_files": [1]}', "state.json does not list the files of a data set"),
        ('{"_data_files": []}', "state.json lists no files"),
        ('{"_data_files": [{"filename": "../secret.arrow"}]}', "people lacks ../secret.arrow, which state.json lists"),
        ('{"_data_files": [{"filename": 7}]}', "people lacks 7, which state.json lists"),
        ('{"_data_files": [{"filename": "state.json"}]}', "people cannot be read"),
    ],
)
def test_folders_that_hold_no_table_are_refused(tmp_path: Path, state: str | None, sentence: str) -> None:
    saved(tmp_path / "people")
    (tmp_path / "secret.arrow").write_bytes(b"")
    (tmp_path / "people" / "state.json").unlink()
    if state is not None:
        (tmp_path / "people" / "state.json").write_text(state)
    with pytest.raises(InputError, match=sentence):
        load_dataset(settings(tmp_path / "people"))
