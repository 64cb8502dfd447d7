"""What the commands about live peers do."""

import asyncio
import signal
from pathlib import Path

from learnae.adapters import keys
from learnae.config import Session, load
from learnae.drivers.composition import Learning
from learnae.drivers.live import LivePeer
from learnae.drivers.node import Node, Roster, run
from learnae.drivers.own import OwnLearning
from learnae.history import HistoryFact, Record

KUBO_COMES_UP = 60.0  # s, beside peers that all begin at once
CODES = {"quiet": 0, "max_duration": 1, "stopped": 130}


def peer(
    session: Path, roster: Path, name: str, kubo: str, rpc: str, keystore: Path, journal: Path, rows: Path | None
) -> int:
    """Prints what the peer decides, as JSON lines, while it decides it."""
    settings, members = load(session), Roster.read(roster)
    node = Node(name, kubo, rpc, keys.load(keystore), journal, KUBO_COMES_UP if rows else 0.0)
    learning: Learning = OwnLearning(settings, rows) if rows else _whole_table(settings)
    return CODES[asyncio.run(run(node, settings, members, learning, [_tell], _stop_on_signals))]


def _whole_table(session: Session) -> Learning:
    from learnae.drivers.learning import TorchLearning  # imports torch

    return TorchLearning(session, threads=1)


def _tell(now: float, peer: str, item: HistoryFact) -> None:
    print(Record(now, peer, item).line(), flush=True)


def _stop_on_signals(live: LivePeer) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, live.stop)
