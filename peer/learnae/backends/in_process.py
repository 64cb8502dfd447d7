"""Shared by the backends whose peers run in this process: loading the data, starting a run directory, stopping."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.base import RunOptions
from learnae.session.plugin_files import write_plugins
from learnae.session.session_file import to_toml
from learnae.session.settings import Session

if TYPE_CHECKING:
    from learnae.runtime.learning import Learning

T = TypeVar("T")
LoadLearning = Callable[[Session, int, str], "Learning"]


def torch_learning(session: Session, threads: int, salt: str) -> "Learning":
    from learnae.runtime.torch_learning import TorchLearning  # imports torch, which takes seconds

    return TorchLearning(session, threads, salt=salt)


def thread_count(options: RunOptions) -> int:
    return options.threads or os.cpu_count() or 1


def begin(session: Session, directory: RunDirectory, threads: int, notice: str | None) -> None:
    from learnae.learn.compute import device_name  # imports torch
    from learnae.learn.datasets.sources import source_sha256

    data, device = source_sha256(session.data), device_name(session.compute)
    write_plugins(session, directory.path)
    directory.begin(to_toml(session), {"data_sha256": data, "device": device, "threads": threads, "notice": notice})


async def finished(work: asyncio.Future[T], stop: Callable[[], object]) -> T:
    """The result of ``work``.  When cancelled, calls ``stop``, waits until the work ends, and raises CancelledError."""
    cancelled = False
    while True:
        try:
            result = await asyncio.shield(work)
        except asyncio.CancelledError:
            cancelled = True
            stop()
            if work.cancelled():
                raise
        else:
            break
    if cancelled:
        raise asyncio.CancelledError
    return result
