"""A folder of images becomes a file that sessions read: one class per sub-folder."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image
from tests.helpers.command_line import here, refused

from learnae.errors import InputError
from learnae.learn.datasets.image_folder import convert
from learnae.learn.datasets.sources import load_dataset
from learnae.session.settings import DataSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three dark images called cat, two bright ones called dog, and a file that is no image."""
    for name, shade, count in (("cat", 20, 3), ("dog", 200, 2)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(count):
            suffix = "png" if number else "jpg"
            Image.new("RGB", (6, 4), (shade, shade, shade + number)).save(
                tmp_path / "pets" / name / f"{number}.{suffix}"
            )
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no image")
    return tmp_path / "pets"


def test_a_session_reads_the_images_with_their_classes(folder: Path) -> None:
    file = folder.parent / "pets.npz"
    assert convert(folder, file) == (5, ["cat", "dog"], (6, 4))
    with np.load(file) as archive:
        assert archive["x"].shape == (5, 3, 4, 6) and list(archive["y"]) == ["cat"] * 3 + ["dog"] * 2
    rows = load_dataset(DataSettings(path=str(file), label="y"))
    assert (len(rows), rows.features.shape[1], rows.classes) == (5, 72, 2)
    assert rows.labels.tolist() == [0, 0, 0, 1, 1]
    assert rows.features[:3].max() < 100 < rows.features[3:].min()


def test_images_are_scaled_and_made_grey_on_request(folder: Path) -> None:
    convert(folder, folder.parent / "small.npz", (2, 3), grey=True)
    with np.load(folder.parent / "small.npz") as archive:
        assert archive["x"].shape == (5, 3, 2) and archive["x"].dtype == np.uint8


def test_the_same_images_give_the_same_bytes(folder: Path) -> None:
    files = [folder.parent / f"{name}.npz" for name in ("once", "twice")]
    for file in files:
        convert(folder, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_command_says_how_a_session_uses_the_file(folder: Path) -> None:
    done = here(folder.parent, "data", "images", "pets", "pets.npz", "--size", "8x8", "--grey")
    assert done.returncode == 0, done.stderr
    assert "5 images of 8x8 pixels in 2 classes (cat, dog)" in done.stdout
    assert 'path = "pets.npz", label = "y" and features = ["x"]' in done.stdout


def test_a_full_disk_leaves_nothing_and_the_next_try_succeeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(file: BinaryIO, **arrays: object) -> None:
        file.write(b"PK")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = folder.parent / "pets.npz"
    with monkeypatch.context() as full:
        full.setattr(np, "savez_compressed", half)
        with pytest.raises(InputError, match=r"pets\.npz cannot be written \(No space left on device\)"):
            convert(folder, file)
    assert list(folder.parent.iterdir()) == [folder]
    assert convert(folder, file)[0] == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing", "a.npz"), "nothing is not a folder"),
        (("pets", "a.csv"), "give the name of a new .npz file"),
        (("pets", "old.npz"), "old.npz: it exists already"),
        (("broken", "none/a.npz"), "none/a.npz: there is no folder none: create it first"),
        (("pets/cat", "a.npz"), "has images in 0 sub-folders"),
        (("pets", "a.npz", "--size", "big"), "--size big is no size"),
        (("uneven", "a.npz"), "uneven/dog/b.png is not as large as uneven/cat/a.png: give --size"),
        (("broken", "a.npz"), "broken/dog/b.png is not a PNG or JPEG image that can be read"),
        (("huge", "a.npz"), "huge/cat/a.png is larger than 1024 pixels: give --size"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (folder.parent / "old.npz").touch()
    for name in ("uneven", "broken", "huge"):
        for sub in ("cat", "dog"):
            (folder.parent / name / sub).mkdir(parents=True)
        side = 1100 if name == "huge" else 5
        Image.new("L", (side, 5)).save(folder.parent / name / "cat" / "a.png")
        Image.new("L", (7, 5)).save(folder.parent / name / "dog" / "b.png")
    (folder.parent / "broken" / "dog" / "b.png").write_bytes(b"\x89PNG no image")
    refused(here(folder.parent, "data", "images", *arguments), sentence)
    assert not (folder.parent / "a.npz").exists()
