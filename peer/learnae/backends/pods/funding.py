"""Funds the peers' wallets on an external chain, where no state file can."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from learnae.backends.base import Say
from learnae.backends.external_chain.chain import ExternalChain
from learnae.backends.external_chain.wallet_funding import FUNDING, lend, take_back
from learnae.backends.live_run import SESSION
from learnae.backends.pods.files import begin_now, keystores
from learnae.backends.pods.plan import Pods
from learnae.errors import InputError

PROBE = """
import socket, ssl, sys
host, port, tls = sys.argv[1:]
try:
    with socket.create_connection((host, int(port)), 10) as connected:
        if tls: ssl.create_default_context().wrap_socket(connected, server_hostname=host)
except OSError as error:
    sys.exit(str(error))
"""

Execute = Callable[..., Awaitable[object]]  # runs a command in the first pod, with all its arguments


@asynccontextmanager
async def funded_wallets(
    chain: ExternalChain | None, plan: Pods, folder: Path, run: Path, execute: Execute, say: Say
) -> AsyncIterator[None]:
    """On an external chain, fund the wallets from the user's key, and take back the rest however the session ends.

    ``folder``: of the session's files.  Raises InputError: a pod cannot reach the chain, or not every wallet could be
    funded.
    """
    if chain is None:
        yield
        return
    await _check_reach(chain.settings.rpc, execute)
    shutil.copyfile(folder / SESSION, run / SESSION)
    try:
        say(f"Funding {len(plan.names)} wallets ...")
        block = await lend(chain, run, keystores(plan, folder))
        begin_now(folder)
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


def node_address(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether with TLS."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    return parts.hostname or "", parts.port or (443 if tls else 80), tls


async def _check_reach(url: str, execute: Execute) -> None:
    """Check that a pod can connect to the node and trusts its certificate.  Raises InputError."""
    host, port, tls = node_address(url)
    try:
        await execute("python3", "-S", "-c", PROBE, host, str(port), "tls" if tls else "")
    except InputError as error:
        raise InputError(
            f"containers cannot reach {host}, port {port} ({error}): give an address that they can reach, "
            "and check the firewalls between"
        ) from None
