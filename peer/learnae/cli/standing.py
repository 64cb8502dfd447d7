"""How far a swarm on containers is: a line that renews itself on a terminal, or one now and then elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rich.live import Live
from rich.text import Text

from learnae.cli.commands import console, say
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, IdentityChanged, IdentityState
from learnae.records.history import SWARM, Record, kept_score
from learnae.web.event_log import EventLog

RENEW, LINE = 0.25, 5.0  # s between two lines, on a terminal and elsewhere


class SessionProgress:
    """How far a session is, from what its peers decided so far."""

    def __init__(self, peers: int) -> None:
        self.peers, self.registered, self.scores = peers, set[str](), dict[str, float]()
        self.seconds, self.attempts, self.adopted, self.payments = 0.0, 0, 0, 0

    def add(self, record: Record) -> None:
        self.seconds = max(self.seconds, record.t)
        score = kept_score(record.fact)
        if score:
            self.scores[record.peer] = score.accuracy
        match record.fact:
            case IdentityChanged(identity=IdentityState.REGISTERED):
                self.registered.add(record.peer)
            case Averaged(adopted=adopted):
                self.attempts += 1
                self.adopted += adopted
            case DebtChanged(state=DebtState.FINAL):
                self.payments += 1

    def __str__(self) -> str:
        accuracy = f"{sum(self.scores.values()) / len(self.scores):.4f}" if self.scores else "-"
        success = f"{self.adopted / self.attempts:.0%}" if self.attempts else "-"
        return (
            f"{self.seconds:6.1f} s  {len(self.registered)} of {self.peers} registered  accuracy {accuracy} "
            f"(validation)  averagings {success} of {self.attempts}  payments {self.payments}"
        )


@asynccontextmanager
async def told(board: EventLog, peers: int) -> AsyncIterator[None]:
    """Meanwhile."""
    standing = SessionProgress(peers)
    tasks = [asyncio.create_task(_count(board, standing)), asyncio.create_task(_print(board, standing))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _count(board: EventLog, standing: SessionProgress) -> None:
    async for _, record in board.follow():
        if record.peer != SWARM:
            standing.add(record)


async def _print(board: EventLog, standing: SessionProgress) -> None:
    with Live(Text(""), console=console, auto_refresh=False, transient=True) as line:
        before = ""
        while not board.closed:
            await asyncio.sleep(RENEW if console.is_terminal else LINE)
            now = str(standing)
            if console.is_terminal:
                line.update(Text(now), refresh=True)
            elif board.records and now != before:
                say(now)
            before = now
