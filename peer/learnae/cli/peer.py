"""`learnae peer`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from learnae.cli.arguments import SessionFile
from learnae.collector import collector_paused
from learnae.errors import InputError
from learnae.records.history import Fact, Record
from learnae.records.outcome import EndedBy
from learnae.runs.sessions import load_session
from learnae.session.plugin_files import require_plugins
from learnae.session.settings import Session

if TYPE_CHECKING:
    from learnae.ports import Observer
    from learnae.runtime.learning import Learning
    from learnae.runtime.peer_service import PeerService

KUBO_STARTS = 60.0  # s, for a node that starts together with its peer
# by the reason for the end
EXIT_CODES = {EndedBy.QUIET: 0, EndedBy.CLOSED: 0, EndedBy.MAX_DURATION: 1, EndedBy.STOPPED: 130}


@dataclass(frozen=True)
class Api:
    """Where a peer's HTTP API listens, under which names, and who may send commands."""

    listen: str
    hosts: Sequence[str]
    token_file: Path | None


def peer(
    session: SessionFile,
    name: Annotated[str, typer.Option(help="Name of this peer in the roster, such as p00.")],
    roster: Annotated[Path, typer.Option(help="The session's roster: names and public ids, the same for all peers.")],
    kubo: Annotated[str, typer.Option(metavar="URL", help="RPC of the peer's Kubo node.")],
    rpc: Annotated[
        str, typer.Option(metavar="URL", help="RPC of an Ethereum node, or a file of mode 0600 with the URL.")
    ],
    keystore: Annotated[Path, typer.Option(help="The peer's wallet.")],
    journal: Annotated[Path, typer.Option(help="PEER.sqlite: created if missing, resumed otherwise.")],
    rows: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The peer's own data, as rendered for a pod.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address of the HTTP API; port 0 is any free port.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Further host name of the API; may be repeated.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the command token (mode 0600). Without it, commands are disabled."),
    ] = None,
    feed: Annotated[
        str | None, typer.Option(metavar="URL", help="Feed of the sensors, which a bridge follows; default: feed.url.")
    ] = None,
) -> int:
    """Run one live peer until its session ends; print its decisions as JSON lines."""
    with collector_paused():
        from learnae.adapters import keystore as keys
        from learnae.adapters.metrics import Metrics
        from learnae.runtime.clocks import SessionClock
        from learnae.runtime.live_process import PeerEndpoints, find, run
        from learnae.runtime.peer_service import PeerService
        from learnae.runtime.roster_file import Roster
        from learnae.runtime.shard_learning import ShardLearning

    settings, ids = load_session(session), Roster.read(roster)
    require_plugins(settings)
    node = PeerEndpoints(
        name, kubo, keys.resolve_url(rpc), keys.load_wallet(keystore), journal, KUBO_STARTS if rows else 0.0, feed
    )
    members = ids.members(settings)
    service = PeerService(find(node, members), SessionClock(ids.zero), Metrics(), members)
    own = ShardLearning(settings, rows) if rows else None
    if own:
        own.try_plugins()
    observers: list[Observer] = [_print, own.observe] if own else [_print]
    api = Api(listen, allow_host or (), token_file) if listen else None

    def learn() -> "Learning":
        return own or _whole_data_set(settings)

    return EXIT_CODES[asyncio.run(_served(service, api, lambda: run(node, settings, ids, learn, service, observers)))]


async def _served(service: "PeerService", api: Api | None, run: Callable[[], Coroutine[Any, Any, EndedBy]]) -> EndedBy:
    """Run the peer.  Its API answers from the start, before the peer is ready, to the end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, service.stop)
    async with _answering(service, api) if api else nullcontext():
        return await run()


@asynccontextmanager
async def _answering(service: "PeerService", api: Api) -> AsyncIterator[None]:
    from learnae.web.api.fastapi_import import import_fastapi

    with collector_paused():
        import_fastapi()
        from learnae.web.api.guard import Guard, read_token
        from learnae.web.api.peer_api import peer_api
        from learnae.web.api.scrape_cost import ScrapeCost
        from learnae.web.api.server import address, listen, serving, url

    guard = Guard(read_token(api.token_file) if api.token_file else None, tuple(api.hosts))
    sock = listen(*address(api.listen))
    app = peer_api(service, guard)
    app.add_middleware(ScrapeCost, service.add_scrape_seconds)
    async with serving(app, sock):
        print(f"learnae: {service.name} answers at {url(sock)}/v1/status", file=sys.stderr, flush=True)
        yield


def _whole_data_set(session: Session) -> "Learning":
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    return TorchLearning(session, threads=1)


def _print(now: float, peer: str, item: Fact) -> None:
    try:
        sys.stdout.write(f"{Record(now, peer, item).line()}\n")  # in a pod, ``print`` would write twice
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter's last flush fails, too
        raise InputError(
            "the reader of this peer's output has closed it: start the peer again, and it resumes from its journal"
        ) from None
