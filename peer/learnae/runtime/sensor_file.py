"""The file that a sensor starts from."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from learnae.errors import InputError
from learnae.messages.codec import decode, encode
from learnae.messages.foreign_json import from_json
from learnae.messages.readings import max_rows
from learnae.private_file import read_private, write_private
from learnae.protocol.types import Cid


@dataclass(frozen=True, slots=True)
class SensorFile:
    """The file of one sensor (mode 0600).

    ``secret``: private key, 64 hexadecimal digits.  ``feed``: URL.  ``columns`` of the CSV, in the order of the
    network's inputs, are standardised by ``mean`` and ``std``.  ``classes``: values of the column ``label``, in order.
    """

    name: str
    session: Cid
    secret: str = field(repr=False)
    feed: str
    columns: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    label: str
    classes: tuple[str, ...]

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(encode(self)) + "\n")

    @staticmethod
    def read(path: Path) -> "SensorFile":
        """Raises InputError."""
        text = read_private(path)
        try:
            file = decode(SensorFile, from_json(text))
            assert isinstance(file, SensorFile)
            widths = {len(file.columns), len(file.mean), len(file.std)}
            if widths != {len(file.columns)} or not file.columns or not 1 < len(file.classes) <= 256:
                raise ValueError("columns and statistics do not match")
            if len(bytes.fromhex(file.secret)) != 32 or 0 in file.std or max_rows(len(file.columns)) < 1:
                raise ValueError("no key, or rows that no reading can hold")
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not the file of a sensor ({error}): docs/how-to/feed.md shows one") from None
        return file
