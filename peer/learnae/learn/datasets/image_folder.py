"""A folder of images, with a sub-folder per class, as an ``.npz`` file that sessions read."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_SIDE = 1024  # pixels

Size = tuple[int, int]  # width, height


def parse_size(text: str) -> Size:
    """A size such as 28x28.  Raises InputError."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise InputError(f"--size {text} is no size: give width and height in pixels, max {MAX_SIDE}, such as 28x28")
    return size


def convert(folder: Path, file: Path, size: Size | None = None, grey: bool = False) -> tuple[int, list[str], Size]:
    """Write ``x`` (rows, height, width) or (rows, 3, height, width), and ``y``, the names of the sub-folders.

    Without ``size`` all images must have the same.  The same images give the same bytes.  Returns the number of images,
    the classes and the size.  Raises InputError.
    """
    if file.suffix.lower() != ".npz" or file.exists():
        raise InputError(f"{file}: " + ("it exists already" if file.exists() else "give the name of a new .npz file"))
    if not file.parent.is_dir():
        raise InputError(f"{file}: there is no folder {file.parent}: create it first")
    images = list(_images(folder))
    classes = sorted({path.parent.name for path in images})
    if len(classes) < 2:
        raise InputError(f"{folder} has images in {len(classes)} sub-folders: it needs one per class, at least two")
    arrays = [_read(path, size, grey) for path in images]
    for path, array in zip(images, arrays, strict=True):
        if array.shape != arrays[0].shape:
            raise InputError(f"{path} is not as large as {images[0]}: give --size, such as 28x28")
    part = file.with_name(file.name + ".part")  # so that a file of this name is always whole
    try:
        with part.open("wb") as out:
            np.savez_compressed(out, x=np.stack(arrays), y=np.array([path.parent.name for path in images]))
        part.rename(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise InputError(f"{file} cannot be written ({error.strerror}): give another file, or make room") from None
    return len(images), classes, (arrays[0].shape[-1], arrays[0].shape[-2])


# private


def _images(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one with a sub-folder of images per class")
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path


def _read(path: Path, size: Size | None, grey: bool) -> NDArray[np.uint8]:
    try:
        from PIL import Image
    except ImportError:
        raise InputError("images need Pillow, which is not installed: run `pip install pillow`") from None
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as opened:
            image = opened.convert("L" if grey else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(f"{path} is not a PNG or JPEG image that can be read: replace or remove it") from None
    if size is None and max(image.size) > MAX_SIDE:
        raise InputError(f"{path} is larger than {MAX_SIDE} pixels: give --size, such as 28x28")
    pixels = np.asarray(image.resize(size) if size else image, np.uint8)
    return pixels if grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))
