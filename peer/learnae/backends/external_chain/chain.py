"""An external chain, such as Sepolia: the checks before a session runs on it.

    chain = ExternalChain.of(settings, session)    checks the key and the session
    chain = await chain.fitted(say)                checks the node and the money, and adapts the session's waits
    async with chain.node() as node: ...

Every refusal is one sentence with its fix.  Only the host of the node's URL is ever shown, since the URL is a secret.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from ipaddress import ip_address

from learnae.adapters import keystore
from learnae.adapters.evm import EvmChain, Node, http_node
from learnae.adapters.evm.chain import PAY_GAS, TRANSFER_GAS
from learnae.adapters.evm.dpoid import DEPLOY_GAS
from learnae.adapters.evm.fees import FeePolicy
from learnae.adapters.evm.rpc import BlockHeader
from learnae.backends.base import Say
from learnae.errors import InputError, PortError
from learnae.protocol.settings import GWEI
from learnae.protocol.types import ETHER, Address, Wei, wei
from learnae.session.environment import CAP, KEY, RPC, ExternalChainSettings
from learnae.session.fee_pool import pool_terms
from learnae.session.settings import Session

RECENT = 20  # blocks over which the block time is averaged
STALE = 120.0  # s; maximum age of the newest block
EXTRA_BLOCKS = 8  # more than on a chain of our own: funding, registration, the last payments, taking back
MIN_BLOCKS = 20  # that a session must have time for


@dataclass(frozen=True)
class ExternalChain:
    """``wallet``: the user's, which funds the peers."""

    settings: ExternalChainSettings = field(repr=False)
    session: Session
    wallet: keystore.Wallet

    @staticmethod
    def of(settings: ExternalChainSettings, session: Session) -> "ExternalChain":
        """Raises InputError, which never quotes the key."""
        wallet = keystore.resolve_wallet(settings.key)
        if wallet is None:
            raise InputError(f"{KEY} is neither a private key (64 hexadecimal digits) nor a file that holds one")
        if any(fault.kind.chain for fault in session.faults):
            raise InputError(f"an external chain cannot be stopped: leave its faults out, or unset {RPC}")
        if pool_terms(session):
            raise InputError(
                f"an external chain has no fee pool in its genesis block: leave defence out, or unset {RPC}"
            )
        if _loopback(settings.host):
            raise InputError(
                f"{RPC} names loopback, which in a container is the container itself: "
                "give an address that containers can reach"
            )
        return ExternalChain(settings, session, wallet)

    @property
    def balance(self) -> Wei:
        return wei(self.session.chain.balance)

    @asynccontextmanager
    async def node(self) -> AsyncIterator[Node]:
        """The node, connected.  Raises InputError if it fails to answer in the body."""
        node = http_node(self.settings.rpc, self.session.chain.id)
        try:
            yield node
        except PortError as error:
            raise InputError(f"the node at {self.settings.host} cannot be used ({error}): see {RPC}") from None
        finally:
            await node.close()

    def chain_of(self, node: Node, wallet: keystore.Wallet) -> EvmChain:
        """The host's transfers, which have no cap on gas: that of the lender is on all that it spends."""
        return EvmChain(node, wallet, FeePolicy(self.session.chain.max_fee_wei))

    async def fitted(self, say: Say) -> "ExternalChain":
        """With waits that suit the chain's block time.  Raises InputError: the session could not end well there."""
        async with self.node() as node:
            newest = await node.newest_block()
            pace = await self._pace(node, newest)
            needed = await self._needed(node, newest)
            await self._check_key(node, newest, needed)
        say(
            f"External chain {self.session.chain.id} at {self.settings.host}: {self.wallet.address} lends "
            f"{self.session.peers} times {self.session.chain.balance} ETH, at most {ether(needed)} ETH with gas "
            f"(cap {self.settings.cap}). What is left is returned."
        )
        fitted = _fitted(self.session, pace)
        before = _waits(self.session)
        changed = [f"{name} = {value:g}" for name, value in _waits(fitted).items() if value != before[name]]
        if changed:
            longer = f"{', '.join(changed)}. Expect {EXTRA_BLOCKS * pace:.0f} s more."
            say(f"Blocks take about {pace:.1f} s there, so the session waits longer: {longer}")
        if fitted.max_duration < MIN_BLOCKS * pace:
            raise InputError(
                f"max_duration = {fitted.max_duration:g} s is too short where a block takes {pace:.1f} s: "
                f"give at least {MIN_BLOCKS * pace:.0f}"
            )
        return replace(self, session=fitted)

    # private

    async def _pace(self, node: Node, newest: BlockHeader) -> float:
        """Mean block time in s."""
        age = time.time() - newest.timestamp
        if age > STALE:
            raise InputError(
                f"the newest block of the node at {self.settings.host} is {age:.0f} s old: "
                "give a node that is in sync, on a chain that keeps making blocks"
            )
        early = await node.block(max(0, newest.number - RECENT))
        return max(1.0, (newest.timestamp - early.timestamp) / max(1, newest.number - early.number))

    async def _needed(self, node: Node, newest: BlockHeader) -> Wei:
        """The maximum that can be spent from the key at the present gas price."""
        peers, balance = self.session.peers, self.session.chain.balance
        fee = (await self.chain_of(node, self.wallet).suggested_fees(newest)).max
        if fee > self.session.chain.max_fee_wei:
            raise InputError(
                f"gas costs {fee // GWEI} gwei there, and peers pay at most {self.session.chain.max_fee}: "
                "wait, or raise chain.max_fee in the session"
            )
        if (DEPLOY_GAS + PAY_GAS) * fee > self.session.chain.gas_cap_wei:
            raise InputError(
                f"chain.gas_cap = {self.session.chain.gas_cap} ETH is too little to register and pay once: "
                f"at the present gas price give at least {ether(Wei((DEPLOY_GAS + PAY_GAS) * fee))}"
            )
        least = Wei((DEPLOY_GAS + PAY_GAS) * fee)
        if self.balance < least:
            raise InputError(
                f"chain.balance = {balance} ETH is too little to register and pay once: "
                f"at the present gas price give at least {ether(least)}"
            )
        needed = Wei(peers * (self.balance + TRANSFER_GAS * fee))
        if needed > wei(self.settings.cap):
            raise InputError(
                f"{peers} wallets with {balance} ETH each and gas are {ether(needed)} ETH, above the cap of "
                f"{self.settings.cap}: lower chain.balance in the session, or raise {CAP}"
            )
        return needed

    async def _check_key(self, node: Node, newest: BlockHeader, needed: Wei) -> None:
        lender = self.wallet.address
        had = await node.balance(lender, newest.number)
        if had < needed:
            raise InputError(f"{lender} has {ether(had)} ETH there and the session needs {ether(needed)}: send it more")
        if await node.code(lender):
            raise InputError(f"the account {lender} has code: give the key of an account without code")
        if await waiting(node, [lender]):
            raise InputError(f"{lender} has transactions that are not mined yet: wait for them, or give another key")


async def waiting(node: Node, wallets: list[Address]) -> bool:
    """Whether one of these wallets has sent a transaction that is not mined yet."""
    newest = (await node.newest_block()).number
    for wallet in wallets:
        if await node.nonce(wallet, "pending") > await node.nonce(wallet, newest):
            return True
    return False


def ether(wei: Wei) -> str:
    return f"{Decimal(wei) / ETHER:.9f}".rstrip("0").rstrip(".")


def _fitted(session: Session, pace: float) -> Session:
    """The session with waits that are long enough for blocks ``pace`` s apart."""
    chain = replace(
        session.chain,
        block_time=round(pace, 1),
        poll=max(session.chain.poll, round(pace / 4, 1)),
        resend_after=max(session.chain.resend_after, round(3 * pace, 1)),
    )
    start = replace(session.start, timeout=max(session.start.timeout, round(5 * pace, 1)))
    return replace(session, chain=chain, start=start, linger=max(session.linger, round(2 * pace, 1)))


def _waits(session: Session) -> dict[str, float]:
    chain = session.chain
    waits = {"chain.poll": chain.poll, "chain.resend_after": chain.resend_after}
    return waits | {"start.timeout": session.start.timeout, "linger": session.linger}


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
