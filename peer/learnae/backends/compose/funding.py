"""Who gives the peers of a swarm on containers their stakes, where Anvil's state file does not."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.render import begin_now, keystores
from learnae.backends.compose.session import ComposeSwarm
from learnae.backends.external_chain.chain import ExternalChain, Say
from learnae.backends.external_chain.wallet_funding import FUNDING, lend, take_back
from learnae.backends.live_run import SESSION
from learnae.errors import InputError

PATIENCE = 60.0  # s for a name, a connection and a certificate
REACH = """
import socket, ssl, sys
host, port, tls = sys.argv[1:]
try:
    with socket.create_connection((host, int(port)), 10) as connected:
        if tls: ssl.create_default_context().wrap_socket(connected, server_hostname=host)
except OSError as error:
    sys.exit(str(error))
"""


@asynccontextmanager
async def stakes(swarm: ComposeSwarm, run: Path, say: Say) -> AsyncIterator[None]:
    """On a chain that is not ours: lent by the user's key, and taken back however the session ends.

    Raises InputError: it cannot be reached from a pod, or the wallets cannot all be given theirs.
    """
    chain = swarm.foreign
    if chain is None:
        yield
        return
    await _check_reach(swarm, chain.foreign.rpc)
    shutil.copyfile(swarm.folder / SESSION, run / SESSION)
    try:
        say(f"Lending the stakes to {len(swarm.members)} wallets ...")
        block = await lend(chain, run, keystores(swarm.plan, swarm.folder))
        begin_now(swarm.folder)
        say(f"All have theirs as of block {block}: the session begins.")
        yield
    finally:
        if (run / FUNDING).exists():  # or nothing was lent
            await _take_back(chain, run, say)


async def _take_back(chain: ExternalChain, run: Path, say: Say) -> None:
    say(f"Taking back what is left; if this is cut off: learnae refund {run}")
    try:
        await take_back(chain, run, say)
    except InputError as error:
        say(f"It was not taken back ({error}): learnae refund {run}")


async def _check_reach(swarm: ComposeSwarm, url: str) -> None:
    """Whether a pod can speak with the node, and trusts its certificate."""
    parts, first = urlsplit(url), f"link-{swarm.plan.names[0]}"
    tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    await swarm.containers.up(first)
    command = ("python3", "-S", "-c", REACH, host, str(port), "tls" if tls else "")
    try:
        container = f"{swarm.plan.project}-{first}-1"
        await asyncio.to_thread(docker, "exec", container, *command, timeout=PATIENCE)
    except InputError as error:
        raise InputError(
            f"containers cannot reach {host}, port {port} ({error}): give an address that they can, "
            "and let nothing between forbid it"
        ) from None
