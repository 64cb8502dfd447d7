"""How a session goes, while it goes: one line that renews itself on a terminal, a line now and then elsewhere."""

import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from learnae.protocol.decisions import Averaged, DebtState, WorkState
from learnae.protocol.peer import Peer
from learnae.protocol.snapshot import PeerSnapshot
from learnae.records.history import Fact
from learnae.session.settings import Session

RENEW = 0.25  # s of wall time
LINE = 5.0  # s between lines where there is no terminal


class Progress:
    def __init__(self, console: Console, session: Session) -> None:
        self._console, self._session = console, session
        self._live = Live(Text("loading rows"), console=console, auto_refresh=False, transient=True)
        self._every = RENEW if console.is_terminal else LINE
        self._next = time.monotonic()
        self._attempts = self._adopted = 0

    def __enter__(self) -> "Progress":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def observe(self, now: float, peer: str, item: Fact) -> None:
        if isinstance(item, Averaged):
            self._attempts += 1
            self._adopted += item.adopted

    def tick(self, now: float, peers: Sequence[Peer]) -> None:
        if time.monotonic() < self._next:
            return
        line = self._status(now, peers)
        if self._console.is_terminal:
            self._live.update(Text(line), refresh=True)
        else:
            self._console.print(line, markup=False, soft_wrap=True)
        self._next = time.monotonic() + self._every

    def _status(self, now: float, running: Sequence[Peer]) -> str:
        """Session time, phase, accuracy, success rate, payments."""
        peers = [peer.status() for peer in running]
        scores = [peer.score.accuracy for peer in peers if peer.score]
        accuracy = f"{sum(scores) / len(scores):.4f}" if scores else "-"
        success = f"{self._adopted / self._attempts:.0%}" if self._attempts else "-"
        paid = sum(debt.state is DebtState.FINAL for peer in peers for debt in peer.debts)
        return (
            f"{now:6.1f} s  {_phase(peers)}  accuracy {accuracy} (validation)  "
            f"averagings {success} of {self._attempts}  payments {paid}"
        )


def _phase(peers: Sequence[PeerSnapshot]) -> str:
    count = Counter(_doing(peer) for peer in peers)
    return ", ".join(
        f"{count[each]} {each}" for each in ("registering", "training", "averaging", "done") if count[each]
    )


def _doing(peer: PeerSnapshot) -> str:
    if not peer.work_began or peer.work is WorkState.EMPTY:
        return "registering"
    if peer.work is WorkState.DONE:
        return "done"
    return "training" if peer.slices_trained < peer.slices_planned else "averaging"
