"""Funds the peers' wallets on an external chain, where Anvil's state file cannot."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from learnae.backends.base import Say
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.session import ComposeSwarm
from learnae.backends.external_chain.chain import ExternalChain
from learnae.backends.external_chain.wallet_funding import FUNDING, lend, take_back
from learnae.backends.live_run import SESSION
from learnae.backends.pods.files import begin_now, keystores
from learnae.errors import InputError

TIMEOUT = 60.0  # s for a name, a connection and a certificate
PROBE = """
import socket, ssl, sys
host, port, tls = sys.argv[1:]
try:
    with socket.create_connection((host, int(port)), 10) as connected:
        if tls: ssl.create_default_context().wrap_socket(connected, server_hostname=host)
except OSError as error:
    sys.exit(str(error))
"""


@asynccontextmanager
async def funded_wallets(swarm: ComposeSwarm, run: Path, say: Say) -> AsyncIterator[None]:
    """On an external chain, lend the stakes from the user's key, and take back the rest however the session ends.

    Raises InputError: a pod cannot reach the chain, or not every wallet could be funded.
    """
    chain = swarm.chain
    if chain is None:
        yield
        return
    await _check_reach(swarm, chain.settings.rpc)
    shutil.copyfile(swarm.folder / SESSION, run / SESSION)
    try:
        say(f"Lending the stakes to {len(swarm.members)} wallets ...")
        block = await lend(chain, run, keystores(swarm.plan, swarm.folder))
        begin_now(swarm.folder)
        say(f"All wallets are funded as of block {block}: the session begins.")
        yield
    finally:
        if (run / FUNDING).exists():  # otherwise nothing was lent
            await _take_back(chain, run, say)


async def _take_back(chain: ExternalChain, run: Path, say: Say) -> None:
    say(f"Taking back what is left. If this is cut off, run: learnae refund {run}")
    try:
        await take_back(chain, run, say)
    except InputError as error:
        say(f"The rest was not taken back ({error}). Run: learnae refund {run}")


async def _check_reach(swarm: ComposeSwarm, url: str) -> None:
    """Check that a pod can connect to the node and trusts its certificate.  Raises InputError."""
    parts, first = urlsplit(url), f"link-{swarm.plan.names[0]}"
    tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    await swarm.containers.up(first)
    command = ("python3", "-S", "-c", PROBE, host, str(port), "tls" if tls else "")
    try:
        container = f"{swarm.plan.project}-{first}-1"
        await asyncio.to_thread(docker, "exec", container, *command, timeout=TIMEOUT)
    except InputError as error:
        raise InputError(
            f"containers cannot reach {host}, port {port} ({error}): give an address that they can reach, "
            "and check the firewalls between"
        ) from None
