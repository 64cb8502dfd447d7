"""Files that only their owner can read (mode 0600)."""

import os
import stat
from pathlib import Path

from learnae.errors import InputError
from learnae.input_file import open_input

MAX_SIZE = 10_000  # bytes that are read


def write_private(path: Path, text: str, replace: bool = False) -> None:
    """Write a file that is private from its first byte and on the disk when this returns.

    Raises FileExistsError unless ``replace``, and OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if replace else os.O_EXCL)
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # a file that is replaced may have another mode
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> str:
    """Read a text file.  Raises InputError if others can read it, if it cannot be read, or if it is not text."""
    try:
        with open_input(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise InputError(f"{path} can be read by others (mode {mode:04o}): run chmod 600 on it")
            return file.read(MAX_SIZE).decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file: give the file that this program created") from None
