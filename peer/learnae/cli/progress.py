"""The progress of a session as one line: updated in place on a terminal, printed from time to time elsewhere."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from learnae.protocol.decisions import (
    Averaged,
    DebtChanged,
    DebtState,
    IdentityChanged,
    IdentityState,
    WorkChanged,
    WorkState,
)
from learnae.protocol.settings import Defence
from learnae.records.history import SWARM, Fact, SessionBegan, kept_score
from learnae.web.event_log import EventLog

RENEW, PRINT = 0.25, 5.0  # s between two lines, on a terminal and elsewhere
ACTIVITIES = {WorkState.TRAINING: "training", WorkState.MERGING: "averaging", WorkState.DONE: "done"}


class Progress:
    """An observer of the session.  ``str`` gives the line."""

    def __init__(self, peers: int, metric: str = "accuracy") -> None:
        self._peers, self._metric, self._registered = peers, metric, set[str]()
        self._scores, self._work = dict[str, float](), dict[str, WorkState]()
        self._seconds, self._attempts, self._adopted, self._payments = 0.0, 0, 0, 0
        self._paid = "payments"
        self.begun = False

    def observe(self, now: float, peer: str, item: Fact) -> None:
        self.begun = True
        self._seconds = max(self._seconds, now)
        if peer == SWARM:
            if isinstance(item, SessionBegan) and item.session.defence.kind is Defence.PROFILES:
                self._paid = "reported debts"  # the pool pays at the end
            return
        score = kept_score(item)
        if score:
            self._scores[peer] = score.accuracy
        match item:
            case IdentityChanged(identity=IdentityState.REGISTERED):
                self._registered.add(peer)
            case WorkChanged(work=work):
                self._work[peer] = work
            case Averaged(adopted=adopted):
                self._attempts += 1
                self._adopted += adopted
            case DebtChanged(state=DebtState.FINAL):
                self._payments += 1

    def __str__(self) -> str:
        scores = list(self._scores.values())  # a copy: observers may run in another thread
        accuracy = f"{sum(scores) / len(scores):.4f}" if scores else "-"
        success = f", {self._adopted / self._attempts:.0%} adopted" if self._attempts else ""
        count = Counter(ACTIVITIES.get(work) for work in list(self._work.values()))
        activities = [f", {count[name]} {name}" for name in ACTIVITIES.values() if count[name]]
        return (
            f"{self._seconds:6.1f} s  {len(self._registered)} of {self._peers} registered{''.join(activities)}  "
            f"{self._metric} {accuracy} (validation)  {self._attempts} averagings{success}  "
            f"{self._paid} {self._payments}"
        )


@asynccontextmanager
async def shown(progress: Progress, console: Console) -> AsyncIterator[None]:
    """Show it while the body runs."""
    task = asyncio.create_task(_show(progress, console))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def follow(progress: Progress, events: EventLog) -> None:
    async for _, record in events.follow():
        progress.observe(record.t, record.peer, record.fact)


async def _show(progress: Progress, console: Console) -> None:
    last, waited = "", PRINT  # the first line at once
    with Live(Text(""), console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(RENEW)
            waited += RENEW
            line = str(progress)
            if console.is_terminal:
                live.update(Text(line), refresh=True)
            elif progress.begun and line != last and waited >= PRINT:
                console.print(line, markup=False, soft_wrap=True)
                last, waited = line, 0.0
