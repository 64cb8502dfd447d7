"""Where many simulations are computed: in processes of this machine, or by the workers of a Dask scheduler."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
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


def processes(tasks: int) -> AbstractContextManager[Executor]:
    """One per core, but no more than there are tasks."""
    return workers(max(1, min(cores(), tasks)), "sweep", "runs", ignore_interrupts)


@contextmanager
def workers(
    count: int, command: str, results: str, initializer: Callable[..., object], *arguments: object
) -> Iterator[Executor]:
    """So many processes, which end at once if the work is interrupted.  Raises InputError if one of them was killed.

    ``command`` and ``results`` are for its sentence.  ``initializer`` is called in each process; it ignores interrupts.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=initializer, initargs=arguments) as pool:
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
                    f"a worker process of the {command} was killed, perhaps because memory is short: "
                    f"run the same command again, which keeps the finished {results}"
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
