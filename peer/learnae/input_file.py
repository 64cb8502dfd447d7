"""Opens files that a user or another program names: regular ones, and no more of them than expected."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from learnae.errors import InputError

MAX_SIZE = 64 << 20  # bytes
TOO_LONG = "{} has more than {} KiB, which no such file needs: give another file"


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file without waiting.  Raises OSError, and InputError for what would block or never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise InputError(f"{path} is a pipe, a device or a socket: save its content in a file and name that")
        yield file


def read_input(path: Path, limit: int = MAX_SIZE) -> bytes:
    """The content of such a file.  Raises OSError and InputError."""
    with open_input(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(TOO_LONG.format(path, limit >> 10))
    return content


def input_lines(path: Path, limit: int) -> Iterator[str]:
    """The lines of such a file, read one at a time; what is not UTF-8 is replaced.  Raises OSError and InputError."""
    left = limit
    with open_input(path) as file:
        while line := file.readline(left + 1):
            left -= len(line)
            if left < 0:
                raise InputError(TOO_LONG.format(path, limit >> 10))
            yield line.decode(errors="replace")


def read_utf8(path: Path, limit: int = MAX_SIZE) -> str:
    """The same in UTF-8; some editors begin a file with a byte order mark.  Raises UnicodeDecodeError, too."""
    return read_input(path, limit).decode("utf-8-sig")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
