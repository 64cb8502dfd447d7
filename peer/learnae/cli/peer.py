"""What the commands about live peers do."""

import asyncio
import signal
from pathlib import Path

from learnae.adapters import keys
from learnae.config import load
from learnae.drivers.live import LivePeer
from learnae.drivers.node import Node, Roster, run
from learnae.history import HistoryFact, Record

CODES = {"quiet": 0, "max_duration": 1, "stopped": 130}


def peer(session: Path, roster: Path, name: str, kubo: str, rpc: str, keystore: Path, journal: Path) -> int:
    """Prints what the peer decides, as JSON lines, while it decides it."""
    settings, members = load(session), Roster.read(roster)
    node = Node(name, kubo, rpc, keys.load(keystore), journal)
    from learnae.drivers.learning import TorchLearning  # imports torch: after the arguments were read

    learning = TorchLearning(settings, threads=1)
    return CODES[asyncio.run(run(node, settings, members, learning, [_tell], _stop_on_signals))]


def _tell(now: float, peer: str, item: HistoryFact) -> None:
    print(Record(now, peer, item).line(), flush=True)


def _stop_on_signals(live: LivePeer) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, live.stop)
