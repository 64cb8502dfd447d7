"""`learnae roster`."""

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from learnae.cli.arguments import SessionFile
from learnae.cli.output import say
from learnae.errors import InputError
from learnae.protocol.types import PeerId
from learnae.session.plugin_files import write_plugins
from learnae.session.roster import names
from learnae.session.session_file import to_toml


def roster(
    session: SessionFile,
    kubo: Annotated[list[str], typer.Option(metavar="URL", help="RPC of a peer's Kubo node; once per peer.")],
    out: Annotated[Path, typer.Option(help="Folder to write: session, roster, wallets, and a folder for journals.")],
    rpc: Annotated[str, typer.Option(metavar="URL", help="RPC of an Ethereum node.")] = "http://127.0.0.1:8545",
) -> int:
    """Create wallets and a roster for Kubo nodes that are already running; print each peer's start command.

    The peers are p00, p01 ... in the order of their nodes.
    """
    from learnae.adapters import keystore
    from learnae.backends.base import refuse_sensors
    from learnae.backends.live_run import JOURNALS, ROSTER, SESSION
    from learnae.runs.sessions import load_session
    from learnae.runtime.roster_file import Roster

    settings = load_session(session, {"peers": len(kubo)})
    refuse_sensors("live", settings)
    if (out / ROSTER).exists():
        raise InputError(f"{out} already holds a roster: choose another --out")
    nodes = asyncio.run(_nodes(kubo))
    ids = [peer for peer, _ in nodes]
    if len(set(ids)) < len(ids):
        raise InputError("two of these URLs lead to one Kubo node: give each peer its own node")
    try:
        (out / JOURNALS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}: choose another --out") from None
    members = names(len(ids))
    wallets = [keystore.create_wallet(_keystore(out, name)).address for name in members]
    (out / SESSION).write_text(to_toml(settings), encoding="utf-8")
    write_plugins(settings, out)
    Roster.of(zip(ids, wallets, strict=True), addresses=dict(nodes)).write(out / ROSTER)
    say(f"Give each wallet {settings.chain.balance} ETH in the genesis block, or transfer it before the start:")
    for name, wallet in zip(members, wallets, strict=True):
        say(f"  {name} {wallet}")
    say(f"The session's clock starts now and runs for {settings.max_duration:g} s. Start each peer:")
    for name, url in zip(members, kubo, strict=True):
        files = {"roster": out / ROSTER, "keystore": _keystore(out, name), "journal": out / JOURNALS / f"{name}.sqlite"}
        say(f"  {_command(out / SESSION, {'name': name, 'kubo': url, 'rpc': rpc, **files})}")
    say(f"After all have finished: learnae audit {shlex.quote(str(out))} --rpc {shlex.quote(rpc)}")
    return 0


async def _nodes(kubos: Sequence[str]) -> list[tuple[PeerId, tuple[str, ...]]]:
    """The id and the addresses of each node."""
    from learnae.runtime.live_process import answered, connected

    nodes = []
    for url in kubos:
        kubo = await connected(url, 0.0)
        nodes.append((kubo.peer_id, await answered(url, kubo.addresses)))
        await kubo.close()
    return nodes


def _keystore(out: Path, name: str) -> Path:
    return out / f"{name}.key"


def _command(session: Path, options: dict[str, object]) -> str:
    words = ["learnae", "peer", session, *(part for key, value in options.items() for part in (f"--{key}", value))]
    return shlex.join(map(str, words))
