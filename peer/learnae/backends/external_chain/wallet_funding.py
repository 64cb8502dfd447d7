"""Lends money to the peers' wallets on an external chain before a session, and takes it back afterwards.

    RUN/funding.json    the lender, and what the wallets held when the session began: the export begins there
    RUN/wallets/        keys of the wallets that may hold money; a key is deleted when its wallet is empty for good

Both are written before any money moves, so that `learnae refund RUN` can take back what a crash left.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from learnae.adapters import keystore
from learnae.adapters.evm import EvmChain, Node
from learnae.adapters.run_directory import CHAIN
from learnae.backends.base import Say
from learnae.backends.external_chain.chain import ExternalChain, ether, waiting
from learnae.errors import InputError, PortError, Reason
from learnae.messages.codec import decode, encode, to_json
from learnae.messages.foreign_json import from_json
from learnae.protocol.types import Address, Wei, wei
from learnae.records.chain_export import Balances, StartingBalances
from learnae.records.history import History

T = TypeVar("T")

FUNDING, WALLETS = "funding.json", "wallets"
VERSION = 1
ROUNDS = 8  # of signing the transfers to the wallets, each with higher fees
MAX_BLOCKS, MAX_SECONDS = 20, 60  # that taking back may last: the sum of both


@dataclass(frozen=True)
class Funding:
    """``had``: what the lender held before.  ``opening``: the balances once all transfers to the wallets are final.

    ``until``: the last block before anything was taken back.  Every export of the run ends there.
    """

    version: int
    host: str
    chain_id: int
    lender: Address
    had: Wei
    opening: StartingBalances | None = None
    until: int | None = None

    @staticmethod
    def read(run: Path) -> "Funding":
        """Raises InputError."""
        try:
            found: Funding = decode(Funding, from_json((run / FUNDING).read_text(encoding="utf-8")))
        except OSError:
            raise InputError(f"{run} holds no {FUNDING}: give a run on an external chain") from None
        except (ValueError, TypeError) as error:
            raise InputError(f"{run / FUNDING} is damaged: {error}") from None
        return found

    def write(self, run: Path) -> None:
        (run / FUNDING).write_text(to_json(encode(self)) + "\n", encoding="utf-8")


async def lend(chain: ExternalChain, run: Path, keystores: Mapping[str, Path]) -> int:
    """Send each wallet its starting balance; the block in which all are final.

    Raises InputError: some wallets may have been funded by then.
    """
    wallets, lender = [keystore.load_wallet(path).address for path in keystores.values()], chain.wallet.address
    if (run / WALLETS).exists():
        raise InputError(f"{run} holds wallets of an earlier session: learnae refund {run}, or choose another --out")
    async with chain.node() as node:
        funding = Funding(VERSION, chain.settings.host, node.chain_id, lender, await node.balance(lender))
        (run / WALLETS).mkdir(0o700)
        for name, path in keystores.items():
            shutil.copy(path, run / WALLETS / f"{name}.json")  # keeps its mode
        funding.write(run)
        at = await _sent(chain, node, wallets)
        held = {wallet: await node.balance(wallet, at) for wallet in wallets}
        if min(held.values()) < chain.balance:
            raise InputError(
                f"the key of {lender} was used elsewhere during funding: use a key reserved for this session"
            )
        replace(funding, opening=StartingBalances(at, (await node.block(at)).hash, held)).write(run)
    return at


async def take_back(chain: ExternalChain, run: Path, say: Say) -> bool:
    """Return what the wallets still hold, where it exceeds the fee, and say what the session cost.

    Whether all wallets are empty.  Raises InputError.
    """
    funding = Funding.read(run)
    files = sorted((run / WALLETS).glob("*.json"))
    began, lasts = time.monotonic(), MAX_SECONDS + MAX_BLOCKS * chain.session.chain.block_time
    async with chain.node() as node:
        if funding.until is None:
            exported = _end_of_export(run)
            until = (await node.newest_block()).number if exported is None else exported
            replace(funding, until=until).write(run)
        wallets = [keystore.load_wallet(path) for path in files]
        accounts = [funding.lender, *(wallet.address for wallet in wallets)]
        calm = await _until(chain, partial(_calm, node, accounts), began + lasts / 2)
        emptied = await asyncio.gather(
            *(_emptied(chain, chain.chain_of(node, wallet), funding.lender, began + lasts) for wallet in wallets)
        )
        has = await node.balance(funding.lender)
    for path, empty in zip(files, emptied, strict=True):
        if empty and calm:  # otherwise a transfer may still arrive
            path.unlink()
    with suppress(OSError):
        (run / WALLETS).rmdir()
    count, cost = f"{sum(emptied)} of {len(emptied)}", ether(Wei(funding.had - has))
    say(f"Returned: {count} wallets are empty. {funding.lender} has {cost} ETH less than before the session.")
    left = [path.stem for path in files if path.exists()]
    if left:
        say(f"{', '.join(left)}: not empty yet, or less than the fee. Their keys stay in {run / WALLETS}.")
        say(f"Try again later: learnae refund {run}")
    return not left


def _end_of_export(run: Path) -> int | None:
    """The last block of the run's export, if it is whole: a later export must equal it, though the chain has grown."""
    try:
        ends = History.parse([], (run / CHAIN).read_text(encoding="utf-8").splitlines()).exports(Balances)
    except (OSError, ValueError, InputError):
        return None
    return ends[-1].height if ends else None


async def _sent(chain: ExternalChain, node: Node, wallets: list[Address]) -> int:
    """Fund all wallets; a final block that contains them or comes after them."""
    payer, lender, cap = chain.chain_of(node, chain.wallet), chain.wallet.address, chain.settings.cap
    first = await node.nonce(lender, (await node.newest_block()).number)
    settings = chain.session.chain
    for attempt in range(ROUNDS):
        with suppress(PortError):  # such as a rate limit: the next round tries again
            mined = await node.nonce(lender, (await node.newest_block()).number)
            due = [(nonce, to) for nonce, to in enumerate(wallets, first) if nonce >= mined]
            forms = [await payer.sign_transfer(to, chain.balance, nonce, attempt) for nonce, to in due]
            if payer.max_spending > wei(cap):
                raise InputError(
                    f"fees rose until the session would cost more than the cap of {cap} ETH: raise the cap, or wait"
                )
            for form in forms:
                await payer.broadcast(form)
        deep = partial(_deep, chain, node, lender, first + len(wallets))
        wait = settings.resend_after + settings.confirmations * settings.block_time
        if (at := await _until(chain, deep, time.monotonic() + wait)) is not None:
            return at
    raise InputError(
        f"the transfers to the wallets are not mined after {ROUNDS} fee increases: try when the chain is less busy"
    )


async def _deep(chain: ExternalChain, node: Node, wallet: Address, nonce: int) -> int | None:
    at = await _settled(chain, node)
    return at if await node.nonce(wallet, at) >= nonce else None


async def _calm(node: Node, wallets: list[Address]) -> bool | None:
    return None if await waiting(node, wallets) else True


async def _emptied(chain: ExternalChain, payer: EvmChain, to: Address, until: float) -> bool:
    """Send everything that is left; whether the wallet is empty for good."""
    node, wallet = payer.node, payer.wallet.address
    nonce, attempt, signed = -1, 0, 0.0

    async def look() -> bool | None:
        nonlocal nonce, attempt, signed
        newest = (await node.newest_block()).number
        if not await node.balance(wallet, newest):
            return None if await node.balance(wallet, await _settled(chain, node)) else True
        mined = await node.nonce(wallet, newest)
        if mined == nonce and time.monotonic() < signed + chain.session.chain.resend_after:
            return None
        nonce, attempt, signed = mined, attempt + 1 if mined == nonce else 0, time.monotonic()
        try:
            await payer.broadcast(await payer.sign_sweep(to, nonce, attempt))
        except PortError as error:
            if error.reason is Reason.FUNDS:
                return False
            raise
        return None

    return bool(await _until(chain, look, until))


async def _settled(chain: ExternalChain, node: Node) -> int:
    """The newest block that is final."""
    return max(0, (await node.newest_block()).number - chain.session.chain.confirmations + 1)


async def _until(chain: ExternalChain, look: Callable[[], Awaitable[T | None]], until: float) -> T | None:
    """Call ``look`` until it gives a result; None when the time is up.  A node that does not answer is asked again."""
    while time.monotonic() < until:
        with suppress(PortError):
            result = await look()
            if result is not None:
                return result
        await asyncio.sleep(chain.session.chain.poll)
    return None
