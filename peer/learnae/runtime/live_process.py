"""One live peer in a process of its own: session, roster, Kubo node, Ethereum node, wallet and journal connected."""

import asyncio
import os
import secrets
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from learnae.adapters.evm import EvmChain, http_node
from learnae.adapters.evm.fees import FeePolicy
from learnae.adapters.evm.payment_index import PaymentIndex
from learnae.adapters.evm.rpc import Node
from learnae.adapters.keystore import Wallet
from learnae.adapters.kubo import Kubo, KuboGossip
from learnae.adapters.kubo.dialing import DialPolicy
from learnae.adapters.sqlite_journal import (
    KEPT_BYTES,
    JournalContents,
    SqliteJournal,
    blocks_expected,
    blocks_in_use,
    read_journal,
)
from learnae.errors import InputError, PortError, Reason, ReplayMismatch, input_error
from learnae.messages.wire import max_message
from learnae.ports import Gossip, Observer
from learnae.protocol.blockchain import PoolCall, Signed
from learnae.protocol.decisions import Adopted, AttemptFailed, Averaged, Published, Trained, WorkBegan
from learnae.protocol.events import TransactionSigned
from learnae.protocol.types import Address, Cid, Poid, Wei
from learnae.records.history import Fact
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import SessionClock
from learnae.runtime.dispatch import Ports
from learnae.runtime.feed import FeedGossip, reading_log
from learnae.runtime.feeds import feed_at
from learnae.runtime.history_from_journals import decisions
from learnae.runtime.learning import Learning
from learnae.runtime.live import LivePeer
from learnae.runtime.peer_service import PeerService
from learnae.runtime.roster_file import Roster
from learnae.sealing import SealingKey
from learnae.session.fault_plan import fault_times, plan
from learnae.session.roster import Member, names
from learnae.session.sensor_rules import publishing_time, sensors
from learnae.session.settings import Session
from learnae.session.setup import SessionSetup

T = TypeVar("T")

RETRY_AFTER = 0.2  # s between attempts to reach a Kubo node that is not up yet


@dataclass
class ResumedChain(EvmChain):
    """Restores what an earlier process has signed as soon as the node answers, and signs nothing before that.

    ``signed_before`` is called then, and not earlier: if the chain was replaced meanwhile, the peer has dropped it.
    """

    signed_before: Callable[[], Iterable[Signed]] | None = None

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed:
        await self._restore()
        return await super().sign_deploy(poid, nonce, attempt)

    async def sign_pay(self, to: Address, wei: Wei, cids: Sequence[Cid], nonce: int, attempt: int) -> Signed:
        await self._restore()
        return await super().sign_pay(to, wei, cids, nonce, attempt)

    async def sign_call(self, call: PoolCall, nonce: int, attempt: int) -> Signed:
        await self._restore()
        return await super().sign_call(call, nonce, attempt)

    async def _restore(self) -> None:
        if self.signed_before:
            await self.restore(self.signed_before())
            self.signed_before = None


@dataclass(frozen=True)
class PeerEndpoints:
    """The nodes and files of one peer.  ``kubo`` and ``rpc``: RPC URLs of its IPFS node and of its Ethereum node.

    ``patience``: seconds for which the Kubo node may be too busy to answer, or not up yet, while the peer starts.
    ``feed``: URL of the sensors' feed; the session's own by default.
    """

    name: str
    kubo: str
    rpc: str = field(repr=False)
    wallet: Wallet
    journal: Path
    patience: float = 0.0
    feed: str | None = None


async def run(
    node: PeerEndpoints,
    session: Session,
    roster: Roster,
    learn: Callable[[], Learning],
    inside: PeerService,
    observers: Iterable[Observer],
) -> EndedBy:
    """Run one peer to the end of the session and return what ended it.  ``inside`` serves its API.

    ``learn`` is called in a thread, because importing torch takes seconds.  Raises InputError, also for a Kubo node
    that does not answer: it holds the peer's id.
    """
    task = asyncio.current_task()
    assert task
    inside.abandon = task.cancel
    try:
        return await _run_peer(node, session, roster, learn, inside, observers)
    except asyncio.CancelledError:
        if not inside.stopped:
            raise
        task.uncancel()
        return EndedBy.STOPPED
    finally:
        inside.end()


async def _run_peer(
    node: PeerEndpoints,
    session: Session,
    roster: Roster,
    learn: Callable[[], Learning],
    inside: PeerService,
    observers: Iterable[Observer],
) -> EndedBy:
    members, member, feed = roster.members(session), inside.member, node.feed or session.feed.url
    if member.group.bridge and not feed:
        raise InputError(f"{node.name} follows the feed of the sensors: give the URL of the feed by --feed")
    async with AsyncExitStack() as closers:
        # The event loop would wait at its end for an executor of its own.
        thread = ThreadPoolExecutor(1, "trainer", initializer=_lower_priority)
        closers.callback(lambda: thread.shutdown(wait=False, cancel_futures=True))
        learning = await asyncio.get_running_loop().run_in_executor(thread, learn)
        kubo = await _own_kubo(node, session, roster, member, closers)
        inside.kubo = kubo.metrics
        closers.callback(setattr, inside, "kubo", None)
        ethereum = await _ethereum(node, session, closers)
        facts = learning.features, learning.data_sha256, learning.initial_block
        setup = SessionSetup(session, members, *facts, statistics=learning.statistics)
        index, addresses = members.index(member), await answered(node.kubo, kubo.addresses, node.patience)
        kubo.max_size = setup.largest_block
        config = setup.config(index, learning.commitment(index), secrets.token_hex(16))
        for block in (setup.manifest, *setup.blocks.values()):
            await answered(node.kubo, partial(kubo.put, block), node.patience)
        journal = closers.enter_context(closing(SqliteJournal(node.journal, config)))
        config = journal.config
        journal.blocks[config.initial_weights] = setup.blocks[config.initial_weights]
        chain = ResumedChain(ethereum, node.wallet, FeePolicy.of(session.chain))
        trainer = learning.trainer(index, member.peer, config.session, journal.blocks)
        gossip: Gossip = KuboGossip(kubo, config.session, addresses, max_message(config.defence))
        if config.sensors and feed:
            connect = partial(feed_at, feed, config.session, node.name)
            gossip = FeedGossip(gossip, connect, reading_log(config, learning), kubo)
        sealing = SealingKey(config.salt) if config.defence.sealed else None
        ports = Ports(kubo, kubo, chain, session.chain.id, trainer, journal.blocks, sealing)
        clock, seen, limits = SessionClock(roster.zero), tuple(observers), (session.linger, session.max_duration)
        try:
            live = LivePeer(
                node.name, config, ports, gossip, journal, clock, seen, thread, *limits, holds=chain.contains
            )
        except ReplayMismatch as error:
            raise InputError(f"{node.journal} cannot be replayed: {error}") from None
        trained = _resume(node, chain, inside)
        live.observers += (partial(_tidy, live, journal, trained), partial(_stay, live, session))
        chain.signed_before = partial(_signed, live)
        payments = PaymentIndex(ethereum, {member.wallet, member.payee}, roster.zero.unix)
        inside.begin(live, learning.predictor(journal.blocks), payments)
        try:
            return await live.run()
        except BaseExceptionGroup as group:
            raise input_error(group) or group from None


async def _own_kubo(
    node: PeerEndpoints, session: Session, roster: Roster, member: Member, closers: AsyncExitStack
) -> Kubo:
    """The peer's Kubo node, which dials whom the session allows.  Raises InputError if it is another peer's."""
    kubo = await connected(node.kubo, node.patience)
    closers.push_async_callback(kubo.close)
    kubo.fetch_timeout = session.network.fetch_timeout
    kubo.dialling = DialPolicy.of({ids.peer: ids.addresses for ids in roster.peers}, session.network.dial)
    if kubo.peer_id != member.peer:
        raise InputError(f"the Kubo node is {kubo.peer_id} and {node.name} is {member.peer}: give the URL of its own")
    return kubo


async def _ethereum(node: PeerEndpoints, session: Session, closers: AsyncExitStack) -> Node:
    ethereum = http_node(node.rpc, session.chain.id)
    closers.push_async_callback(ethereum.close)
    with suppress(PortError):  # the node may start later; if it answers now, its chain id is checked
        await ethereum.connect()
    return ethereum


def _resume(node: PeerEndpoints, chain: ResumedChain, inside: PeerService) -> set[Cid]:
    """Tell the API and the fee policy what earlier processes of this peer did; return the models that they trained."""
    before = read_journal(node.journal)
    chain.policy.count(event.signed for event, _ in before.entries if isinstance(event, TransactionSigned))
    trained: set[Cid] = set()
    for record in decisions(node.name, _before_restart(before)):
        inside.observe(record.t, record.peer, record.fact)
        if isinstance(record.fact, Trained):
            trained.add(record.fact.cid)
    return trained


def _before_restart(contents: JournalContents) -> JournalContents:
    """Without the restart that is under way: the peer will report it."""
    return contents._replace(restarts=contents.restarts[:-1] if contents.entries else [])


def _signed(live: LivePeer) -> list[Signed]:
    return list(live.peer.status().signed)


def _stay(live: LivePeer, session: Session, now: float, peer: str, item: Fact) -> None:
    """Wait for sensors and planned faults, which begin at about the time at which this peer begins to work."""
    if isinstance(item, WorkBegan):
        windows = plan(session.faults, names(session.peers), session.seed, sensors(session))
        publishing = publishing_time(session)
        of_sensors = [(now, now + publishing)] if publishing else []
        live.end.faults = [*of_sensors, *fault_times(windows, now, session.network.announce_every)]


def _tidy(live: LivePeer, journal: SqliteJournal, trained: set[Cid], now: float, peer: str, item: Fact) -> None:
    """Delete blocks that are no longer needed, whenever the peer's models have changed.

    Trained models stay for ``learnae audit --replay``, up to ``KEPT_BYTES``.
    """
    initial = live.config.initial_weights
    if isinstance(item, Trained) and (len(trained) + 1) * len(journal.blocks[initial]) <= KEPT_BYTES:
        trained.add(item.cid)
    if isinstance(item, Adopted | Trained | Averaged | AttemptFailed | Published):
        journal.blocks.prune(blocks_in_use(live.peer, initial) | trained, blocks_expected(live.peer))


def find(node: PeerEndpoints, members: Iterable[Member]) -> Member:
    """The member that runs on these endpoints.  Raises InputError: not in the roster, or with another wallet."""
    by_name: Mapping[str, Member] = {member.name: member for member in members}
    if node.name not in by_name:
        raise InputError(f"{node.name} is not in the roster: give one of {', '.join(by_name)}")
    member = by_name[node.name]
    if member.wallet != node.wallet.address:
        raise InputError(f"the keystore is of {node.wallet.address} and {node.name} has {member.wallet}: give its own")
    return member


async def connected(url: str, patience: float) -> Kubo:
    """Connect to a Kubo node, with retries for ``patience`` seconds.  Raises InputError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.scheme != "http":
        raise InputError("the Kubo RPC URL must look like http://127.0.0.1:5001")
    return await answered(url, partial(Kubo.connect, host, port), patience)


async def answered(url: str, ask: Callable[[], Awaitable[T]], patience: float = 0.0) -> T:
    """Await an answer of the Kubo node that the session cannot begin without.  Raises InputError.

    For ``patience`` seconds, a node that cannot be reached or is too busy to answer in time is asked again.
    """
    until = time.monotonic() + patience
    while True:
        try:
            return await ask()
        except PortError as error:
            if error.reason not in (Reason.UNREACHABLE, Reason.TIMEOUT) or time.monotonic() >= until:
                advice = "start it, or give another URL"
                raise InputError(f"the Kubo node at {url} cannot be used ({error}): {advice}") from None
        await asyncio.sleep(RETRY_AFTER)


def _lower_priority() -> None:
    """Let API requests go before training: on Linux each thread has its own priority."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
