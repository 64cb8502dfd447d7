"""What ``learnae roster`` does."""

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path

from learnae.adapters import keystore
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION
from learnae.cli.commands import say
from learnae.errors import InputError
from learnae.protocol.types import PeerId
from learnae.runtime.live_process import connected
from learnae.runtime.roster_file import Roster
from learnae.session.roster import names
from learnae.session.settings import load, to_toml


def roster(path: Path, kubos: Sequence[str], rpc: str, out: Path) -> int:
    """The peers are p00, p01 ... in the order of their nodes."""
    session = load(path, {"peers": len(kubos)})
    if (out / ROSTER).exists():
        raise InputError(f"{out} already holds a roster: choose another --out")
    ids = asyncio.run(_ids(kubos))
    if len(set(ids)) < len(ids):
        raise InputError("two of these URLs lead to one Kubo node: give each peer a node of its own")
    try:
        (out / JOURNALS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}: choose another --out") from None
    wallets = [keystore.create(_keystore(out, name)).address for name in names(len(ids))]
    (out / SESSION).write_text(to_toml(session))
    Roster.of(zip(ids, wallets, strict=True)).write(out / ROSTER)
    say(f"Give each wallet {session.chain.balance} ETH in the chain's genesis block or by transfers before the start:")
    for name, wallet in zip(names(len(ids)), wallets, strict=True):
        say(f"  {name} {wallet}")
    say(f"The session's clock runs from now on, for {session.max_duration:g} s. Start each peer:")
    for name, kubo in zip(names(len(ids)), kubos, strict=True):
        say(f"  {_command(out, name, kubo, rpc)}")
    say(f"When all have left: learnae audit {shlex.quote(str(out))} --rpc {shlex.quote(rpc)}")
    return 0


async def _ids(kubos: Sequence[str]) -> list[PeerId]:
    ids = []
    for url in kubos:
        kubo = await connected(url, 0.0)
        ids.append(kubo.peer_id)
        await kubo.close()
    return ids


def _keystore(out: Path, name: str) -> Path:
    return out / f"{name}.key"


def _command(out: Path, name: str, kubo: str, rpc: str) -> str:
    options = {
        "name": name,
        "roster": out / ROSTER,
        "kubo": kubo,
        "rpc": rpc,
        "keystore": _keystore(out, name),
        "journal": out / JOURNALS / f"{name}.sqlite",
    }
    words = [
        "learnae",
        "peer",
        out / SESSION,
        *(part for key, value in options.items() for part in (f"--{key}", value)),
    ]
    return shlex.join(map(str, words))
