"""Keeps pods from filling the disk of the host: a pod that takes more than its share is stopped.

All pods together may take half of the space and half of the files that were free at first.  Docker has quotas on few
file systems only, so the host measures the folders of all pods, soon after free space has shrunk and now and then.  A
pod can write until then, and it can hide files that it has deleted and not closed; before those fill the disk, the
session ends.
"""

import asyncio
import errno
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from learnae.backends.base import Say
from learnae.backends.compose.capacity import MIB, REST_DISK
from learnae.backends.compose.containers import Containers
from learnae.backends.pods.plan import JOURNALS, REPOSITORIES
from learnae.errors import InputError

LOOK = 1.0  # s between two looks at free space
EVERY = 30.0  # s between two measurements
SHRUNK = 64 * MIB  # bytes by which free space shrinks until pods are measured at once
SHRUNK_FILES = 10_000
BLOCK = 512  # bytes; the unit of st_blocks
MAX_MEASURING = 2.0  # s of processor time; a pod with so many files that this does not suffice has taken too much
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP)  # what a pod can cause
UNKNOWN_FILES = 1 << 40  # on file systems that have as many as fit


@dataclass(frozen=True)
class Space:
    """Bytes and files, free or used."""

    bytes: int
    files: int

    def share(self, pods: int) -> "Space":
        return Space(self.bytes // (2 * pods), self.files // (2 * pods))


def free_space(folder: Path) -> Space:
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_favail or UNKNOWN_FILES)


def exceeds(folders: Iterable[Path], limit: Space) -> bool:
    """Whether these folders take more.  One that takes too long, or that a pod made unreadable, counts as too large.

    Only processor time counts: on a busy host, a few files can take seconds.
    """
    size, files, pending = 0, 0, [str(folder) for folder in folders]
    deadline = time.thread_time() + MAX_MEASURING
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    size, files = size + status.st_blocks * BLOCK, files + 1
                    if size > limit.bytes or files > limit.files or time.thread_time() > deadline:
                        return True
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(entry.path)
        except FileNotFoundError:
            pass  # removed meanwhile
        except OSError as error:
            if error.errno in FORBIDDEN:
                return True
    return False


class DiskGuard:
    """``folder``: build/swarm.  ``names``: of the pods.  ``sensors``: those of them that are sensors."""

    def __init__(
        self,
        containers: Containers,
        folder: Path,
        names: Iterable[str],
        say: Say,
        free: Callable[[Path], Space] = free_space,
        clock: Callable[[], float] = time.monotonic,
        sensors: Collection[str] = (),
    ) -> None:
        self._containers, self._folder, self._names, self._say = containers, folder, list(names), say
        self._free, self._clock, self._sensors = free, clock, sensors
        self._last, self._measured = free(folder), clock()
        self.limit = self._last.share(max(1, len(self._names)))
        self._stopped: set[str] = set()

    async def run(self) -> None:
        """Until cancelled.  Raises InputError: the disk is nearly full."""
        while True:
            await asyncio.sleep(LOOK)
            await self.look()

    async def look(self) -> None:
        """Measure if it is time, and stop each pod that takes too much, also if it was started again.

        Raises InputError.
        """
        free, now = self._free(self._folder), self._clock()
        shrunk = self._last.bytes - free.bytes > SHRUNK or self._last.files - free.files > SHRUNK_FILES
        if shrunk or now > self._measured + EVERY:
            self._last, self._measured = free, now
            for name in self._names:
                folders = [self._folder / part / name for part in (JOURNALS, REPOSITORIES)]
                if await asyncio.to_thread(exceeds, folders, self.limit):
                    await self._stop(name)
            free = self._free(self._folder)
        if free.bytes < REST_DISK:
            raise InputError(f"less than {REST_DISK // MIB} MiB of disk is free below {self._folder}: make room")

    async def _stop(self, name: str) -> None:
        if name not in self._stopped:
            self._stopped.add(name)
            size = f"{self.limit.bytes // MIB} MiB or {self.limit.files} files"
            self._say(f"{name} is stopped: its journal and its IPFS repository take more than its share ({size}).")
        with suppress(InputError):  # none of them runs
            programs = ("sensor",) if name in self._sensors else ("peer", "ipfs")
            await asyncio.to_thread(self._containers.kill, [f"{part}-{name}" for part in programs])
