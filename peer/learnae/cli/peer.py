"""What the commands about live peers do."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learnae.adapters import keystore as keys
from learnae.adapters.metrics import Metrics
from learnae.errors import InputError
from learnae.ports import Observer
from learnae.records.history import Fact, Record
from learnae.records.outcome import EndedBy
from learnae.runtime.live import SessionClock
from learnae.runtime.live_process import PeerEndpoints, find, run
from learnae.runtime.peer_service import PeerService
from learnae.runtime.roster_file import Roster
from learnae.runtime.setup import Learning
from learnae.runtime.shard_learning import ShardLearning
from learnae.session.settings import Session, load

KUBO_COMES_UP = 60.0  # s, beside peers that all begin at once
CODES = {EndedBy.QUIET: 0, EndedBy.MAX_DURATION: 1, EndedBy.STOPPED: 130}


@dataclass(frozen=True)
class Api:
    """Where a peer is to be asked, by which further names, and who may command it."""

    listen: str
    hosts: Sequence[str]
    token_file: Path | None


def peer(
    session: Path,
    roster: Path,
    name: str,
    kubo: str,
    rpc: str,
    keystore: Path,
    journal: Path,
    rows: Path | None,
    api: Api | None,
) -> int:
    """Prints what the peer decides, as JSON lines, while it decides it."""
    settings, ids = load(session), Roster.read(roster)
    node = PeerEndpoints(name, kubo, keys.url(rpc), keys.load(keystore), journal, KUBO_COMES_UP if rows else 0.0)
    members = ids.members(settings)
    inside = PeerService(find(node, members), SessionClock(ids.began), Metrics(), members)
    own = ShardLearning(settings, rows) if rows else None
    observers: list[Observer] = [_tell, own.observe] if own else [_tell]

    def learn() -> Learning:
        return own or _whole_table(settings)

    return CODES[asyncio.run(_served(inside, api, lambda: run(node, settings, ids, learn, inside, observers)))]


async def _served(inside: PeerService, api: Api | None, run: Callable[[], Coroutine[Any, Any, EndedBy]]) -> EndedBy:
    """Its API answers before anything else is there, and as long as the peer lives."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, inside.stop)
    async with _answering(inside, api) if api else nullcontext():
        return await run()


@asynccontextmanager
async def _answering(inside: PeerService, api: Api) -> AsyncIterator[None]:
    from learnae.web.api.guard import Guard, read_token  # fastapi takes a second to import
    from learnae.web.api.peer_api import peer_api
    from learnae.web.api.scrape_cost import ScrapeCost
    from learnae.web.api.server import address, listen, serving, url

    guard = Guard(read_token(api.token_file) if api.token_file else None, tuple(api.hosts))
    sock = listen(*address(api.listen))
    app = peer_api(inside, guard)
    app.add_middleware(ScrapeCost, inside.watched)
    async with serving(app, sock):
        print(f"learnae: {inside.name} answers at {url(sock)}/v1/status", file=sys.stderr, flush=True)
        yield


def _whole_table(session: Session) -> Learning:
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    return TorchLearning(session, threads=1)


def _tell(now: float, peer: str, item: Fact) -> None:
    try:
        print(Record(now, peer, item).line(), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush fails, too
        raise InputError(
            "nobody reads any more what this peer decides: start it again, and it goes on from its journal"
        ) from None
