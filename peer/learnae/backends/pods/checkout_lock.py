"""One swarm of a checkout at a time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from learnae.errors import InputError
from learnae.file_lock import try_lock


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock of a checkout's swarms.  Raises InputError: another process holds it."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        if not try_lock(file):
            file.seek(0)
            raise InputError(
                "a swarm of this checkout is already running: wait for it, or stop it with Ctrl-C in its terminal "
                f"or with kill {file.read().strip()}"
            )
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield
