"""Opens files in folders that others can write, such as those of pods.

A process there can put a link to somebody else's file, a FIFO that blocks its reader, or an endless file in place of
the one that is expected, at any time.  So a path is resolved one component at a time without following links, and what
was checked is what is read: the open file, not its name.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from learnae.errors import InputError

CHUNK = 1 << 20  # bytes
LINKS = (errno.ELOOP, errno.ENOTDIR)  # what O_NOFOLLOW answers for a file, and with O_DIRECTORY for a folder


@contextmanager
def open_untrusted(folder: Path, *names: str, linked: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file below ``folder``, which is trusted; ``names`` lead to it and are not.

    ``linked``: it may have other names, as in a backup of hard links; the owner of a pod could choose whose file it is.
    Raises FileNotFoundError; InputError if it is anything else, or cannot be read.
    """
    path = folder.joinpath(*names)
    with ExitStack() as opened:
        try:
            at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, at)
            for name in names[:-1]:
                at = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                opened.callback(os.close, at)
            descriptor = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        except FileNotFoundError:
            raise
        except OSError as error:
            reason = "a link leads to it" if error.errno in LINKS else error.strerror
            raise InputError(f"{path} is not read: {reason}") from None
        opened.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (status.st_nlink != 1 and not linked):
            raise InputError(f"{path} is not read: it is not a regular file{'' if linked else ' with one name'}")
        yield opened.enter_context(open(descriptor, "rb", closefd=False))


def read_untrusted(folder: Path, *names: str, limit: int) -> bytes:
    """Read such a file of at most ``limit`` bytes.  Raises FileNotFoundError, InputError."""
    with open_untrusted(folder, *names) as source:
        content = source.read(limit + 1)
    if len(content) > limit:
        raise InputError(f"{folder.joinpath(*names)} is not read: it exceeds {limit} bytes")
    return content


def replace_untrusted(folder: Path, name: str, content: bytes) -> None:
    """Write a file of this name anew, for the owner of the folder, whatever was there.  Raises InputError."""
    try:
        (folder / name).unlink(missing_ok=True)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            if os.getuid() == 0:
                owner = folder.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
            file.write(content)
    except OSError as error:
        raise InputError(f"{folder / name} cannot be written: {error.strerror}") from None


def copy_untrusted(folder: Path, *names: str, to: Path, limit: int) -> bool:
    """Copy such a file of at most ``limit`` bytes; whether there is one.  ``to`` is replaced, or else removed.

    Raises InputError.
    """
    try:
        to.unlink(missing_ok=True)
        with open_untrusted(folder, *names) as source, open(to, "xb") as copy:
            copied, size = 0, os.fstat(source.fileno()).st_size
            while size <= limit and (part := source.read(CHUNK)):
                size = copied = copied + len(part)  # it may grow meanwhile
                copy.write(part)
            if size > limit:
                raise InputError(f"{folder.joinpath(*names)} is not read: it exceeds {limit} bytes")
    except FileNotFoundError:
        return False
    except (InputError, OSError) as error:
        if not to.is_dir():
            to.unlink(missing_ok=True)
        if isinstance(error, InputError):
            raise
        raise InputError(f"{to} cannot be written: {error.strerror}") from None
    return True


def refuse_links(folder: Path) -> None:
    """Raises InputError if a run in this folder would be written through a link or into a special file.

    A run has files in its folder and one level below; hidden ones are not its own.
    """
    for path in chain(folder.glob("[!.]*"), folder.glob("[!.]*/*")):
        if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
            raise InputError(f"{path} is a link or a special file: replace it with what it stands for")
