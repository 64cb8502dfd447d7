"""Where the runs of a sweep are computed: in processes of this machine, or by the workers of a Dask scheduler."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager

from learnae.errors import InputError

DASK = "dask://"
CONNECT = 10  # s that a scheduler may take to answer


def executor(address: str | None, tasks: int) -> AbstractContextManager[Executor]:
    """``address``: ``dask://HOST:PORT``; None for processes here, one per core.  Raises InputError."""
    if address is None:
        return processes(tasks)
    if not address.startswith(DASK) or address == DASK:
        raise InputError(f"--executor {address}: give the address of a Dask scheduler, such as dask://head-node:8786")
    return dask(address.removeprefix(DASK))


def cores() -> int:
    """Cores that this process may use, which a batch system may have limited."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def processes(tasks: int) -> Iterator[Executor]:
    """Ends its processes at once if the work is interrupted.  Raises InputError if one of them was killed."""
    count, context = max(1, min(cores(), tasks)), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=ignore_interrupts) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            children = multiprocessing.active_children()
            for child in children:
                child.terminate()
            for child in children:
                child.join()
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "a worker process of the sweep was killed, perhaps because memory is short: "
                    "run the same command again, which keeps the finished runs"
                ) from None
            raise


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """Workers need LEARNAE and the same file system.  A run whose worker is lost is started again by the scheduler."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--executor dask://HOST needs Dask: pip install 'learnae[dask]'") from None
    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {address} ({error}): give the address that it prints") from None
    with client:
        pool = client.get_executor(pure=False)
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False)  # cancels what runs
            raise


def ignore_interrupts() -> None:
    """Ignore Ctrl-C: the parent process ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
