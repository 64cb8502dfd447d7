"""Peers that share a process share one pool: waiting jobs of equal shape run as ONE batched computation.

Nothing runs until somebody needs a result; then all that waits and is of its kind runs.  In virtual time all jobs
outstanding at a moment so run together; in a live swarm the first of many waiting threads does the work of all and the
others find it done.  A batch is one piece of work for one thread, and pieces run side by side: threads inside an
operation cost more than they bring at this size, so torch is set to one.

The same jobs submitted in the same order to a pool of the same settings give the same bits.
"""

import threading
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from learnae.learn.cache import Cache
from learnae.learn.jobs import Job, JobResult, run

WIDEST = 24  # jobs in a batch: more gain nothing
REMEMBERED = 64 << 20  # bytes of decoded weights


class Ticket:
    """A submitted job: a ``ports.Pending``."""

    def __init__(self, pool: "Pool", job: Job) -> None:
        self._pool, self.job = pool, job
        self._done: JobResult | Exception | None = None

    def result(self) -> JobResult:
        """Run all that waits of this job's shape unless it is done.  Raises what this job raised."""
        if self._done is None:
            self._pool.run(self)
        if self._done is None:
            raise RuntimeError("the pool was interrupted before this job had run")
        if isinstance(self._done, Exception):
            raise self._done
        return self._done

    def settle(self, done: JobResult | Exception) -> None:
        self._done = done

    @property
    def done(self) -> bool:
        return self._done is not None

    @property
    def kind(self) -> Hashable:
        """Jobs of one kind can run together."""
        return (type(self.job), self.job.shape)


class Pool:
    """Runs jobs.  ``batch`` limits how many run as one computation (0: no limit, 1: one by one).

    ``models`` remembers decoded weights for all who share the pool.
    """

    def __init__(self, threads: int, batch: int = 0) -> None:
        self.threads, self.batch, self.models = threads, batch, Cache(REMEMBERED)
        self.ran: list[int] = []  # jobs in each batch of the last run
        self._waiting: list[Ticket] = []
        self._queue, self._work = threading.Lock(), threading.Lock()
        self._executor = ThreadPoolExecutor(threads, "pool")
        torch.set_num_threads(1)

    def submit(self, job: Job) -> Ticket:
        """Never blocks on running jobs."""
        ticket = Ticket(self, job)
        with self._queue:
            self._waiting.append(ticket)
        return ticket

    def run(self, wanted: Ticket) -> None:
        """Run every waiting job of one kind.  Other kinds go on gathering: a score must not cut a training short."""
        with self._work:
            if wanted.done:
                return  # somebody else has run it meanwhile
            with self._queue:
                group = [ticket for ticket in self._waiting if ticket.kind == wanted.kind]
                self._waiting = [ticket for ticket in self._waiting if ticket.kind != wanted.kind]
            batches = self._split(group) if group else []
            self.ran = [len(batch) for batch in batches]
            self._perform(batches)

    def _split(self, group: list[Ticket]) -> list[list[Ticket]]:
        """Even batches, as many as the threads can share, none wider than is good."""
        pieces = -(-len(group) // WIDEST)
        pieces = min(-(-pieces // self.threads) * self.threads, len(group))
        if self.batch:
            pieces = max(pieces, -(-len(group) // self.batch))
        bounds = [i * len(group) // pieces for i in range(pieces + 1)]
        return [group[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]

    def _perform(self, batches: Sequence[list[Ticket]]) -> None:
        if self.threads == 1 or len(batches) <= 1:
            for batch in batches:
                _run(batch)
        else:
            list(self._executor.map(_run, batches))


def _run(batch: Sequence[Ticket]) -> None:
    """Run a batch; if it raises, each of its jobs alone, so that only the unsound one is hurt."""
    try:
        results = run([ticket.job for ticket in batch])
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        if len(batch) == 1:
            batch[0].settle(error)
            return
        for ticket in batch:
            _run([ticket])
        return
    for ticket, result in zip(batch, results, strict=True):
        ticket.settle(result)
