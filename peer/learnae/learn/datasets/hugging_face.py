"""Data sets that Hugging Face's library ``datasets`` saved to disk: folders of Arrow files, which pyarrow reads."""

import hashlib
from pathlib import Path

from learnae.errors import InputError
from learnae.input_file import read_input, sha256_of
from learnae.learn.datasets.optional_pyarrow import Arrow, import_pyarrow
from learnae.messages.foreign_json import from_json

STATE, SPLITS = "state.json", "dataset_dict.json"  # of one table; of several, in a folder each
RANDOM_ACCESS = b"ARROW1"  # first bytes of an Arrow file that is no stream, such as Feather


def arrow_files(folder: Path) -> list[Path]:
    """The files that hold the rows of a folder, in their order.  Raises InputError."""
    fix = "name a folder that Dataset.save_to_disk has written, or a file"
    if (folder / SPLITS).is_file():
        splits = ", ".join(path.parent.name for path in sorted(folder.glob(f"*/{STATE}")))
        raise InputError(f"{folder.name} holds several tables ({splits}): name the folder of one of them in data.path")
    if not (folder / STATE).is_file():
        raise InputError(f"{folder.name} is a folder without {STATE}: {fix}")
    try:
        names = [part["filename"] for part in from_json(read_input(folder / STATE).decode())["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder.name}: {STATE} does not list the files of a data set: {fix}") from None
    for name in map(str, names):
        if Path(name).name != name or not (folder / name).is_file():
            raise InputError(f"{folder.name} lacks {name[:80]}, which {STATE} lists: copy the whole folder")
    if not names:
        raise InputError(f"{folder.name}: {STATE} lists no files, so there are no rows: {fix}")
    return [folder / str(name) for name in names]


def read_folder(folder: Path) -> Arrow:
    """All rows of a folder.  Raises InputError, and what pyarrow raises for a damaged file."""
    return import_pyarrow().concat_tables([read_arrow(path) for path in arrow_files(folder)])


def read_arrow(path: Path) -> Arrow:
    """The rows of one Arrow file, a stream or not."""
    pa = import_pyarrow()
    with path.open("rb") as file:
        is_stream = file.read(len(RANDOM_ACCESS)) != RANDOM_ACCESS
        file.seek(0)
        return (pa.ipc.open_stream if is_stream else pa.ipc.open_file)(file).read_all()


def sha256_of_folder(folder: Path) -> str:
    """Identifies the rows.  Raises InputError."""
    return hashlib.sha256("".join(map(sha256_of, arrow_files(folder))).encode()).hexdigest()
