"""A live swarm in one process and one event loop: real time, memory store and gossip, a real EVM.

The peers are those of ``runtime.live``.  The event loop never waits: training runs in threads, the EVM in a process of
its own, and test accuracies are computed in a thread as well.

    swarm = EmbeddedSwarm(setup, wallets, identities, [run.observe], local_evm(session, wallets))
    ended_by = await swarm.run()        # swarm.stop(), for example from a signal handler, ends it early
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from learnae.adapters.evm import EvmChain, Node, export
from learnae.adapters.evm.fee_pool import genesis_contracts
from learnae.adapters.evm.fees import FeePolicy
from learnae.adapters.evm.local import LocalEvm
from learnae.adapters.ipfs_keys import IpfsIdentity
from learnae.adapters.keystore import Wallet
from learnae.adapters.memory import MemoryJournal
from learnae.adapters.memory_network import LiveMemoryStore, MemoryGossip
from learnae.adapters.run_directory import Journal
from learnae.backends.embedded.faults import embedded_faults
from learnae.backends.embedded.sensors import EmbeddedSensors
from learnae.errors import input_error
from learnae.messages.wire import max_message
from learnae.ports import Observer
from learnae.protocol.decisions import Averaged, Published, Trained
from learnae.protocol.peer import Peer
from learnae.protocol.rest import Rest
from learnae.protocol.row_types import RowsForwarded, RowsPublished
from learnae.protocol.types import Address, Cid, Wei, wei
from learnae.records.chain_export import ChainRecord
from learnae.records.history import SWARM, Fact, SessionEnded
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import Moment, SessionClock
from learnae.runtime.live import LivePeer
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.session_end import SessionEnd, settled
from learnae.runtime.test_accuracy import TestAccuracy
from learnae.session.fee_pool import pool_terms
from learnae.session.settings import Session

TICK = 0.1  # s between checks whether the session is over
EVALUATE_EVERY = 2.0  # s; test accuracies hold up the training, so most wait until all is quiet
EVALUATE_AT_ONCE = 8  # models


def local_evm(session: Session, wallets: Mapping[str, Wallet]) -> LocalEvm:
    """An EVM on which these wallets hold the session's starting balance.  Start it early, and close it."""
    return LocalEvm(_funds(session, wallets), session.chain.id, True, genesis_contracts(pool_terms(session)))


class EmbeddedSwarm:
    """One session, ready to run.  ``chain``: its export, once it has ended.

    The caller records SessionBegan.
    """

    def __init__(
        self,
        setup: MemorySession,
        wallets: Mapping[str, Wallet],
        identities: Mapping[str, IpfsIdentity],
        observers: Sequence[Observer],
        evm: LocalEvm,
        report: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.setup, self.session, self.observers = setup, setup.session, tuple(observers)
        self.evaluation = TestAccuracy(setup, self.record)
        self.faults = embedded_faults(self, report) if self.session.faults else None
        self.alloc = _funds(self.session, wallets)
        self.evm = evm
        self.node = Node(self.evm, self.session.chain.id)
        self.chain: list[ChainRecord] = []
        self.clock = SessionClock(Moment.now())
        self.sensors = EmbeddedSensors(setup, identities, self.clock, self.record, self.faults)
        self._threads = ThreadPoolExecutor(self.session.peers + 1, "trainer")  # all may wait for one batch
        net, longest = setup.swarm.net, max_message(self.session.defence)
        self._members = [setup.members[index] for index in setup.present]
        self._neighbours = [[setup.present.index(i) for i in setup.neighbours[index]] for index in setup.present]
        self.gossips = [MemoryGossip(net, {}, member.name, member.peer, longest) for member in self._members]
        self._journals = [MemoryJournal() for _ in self._members]
        self.peers = [self._peer(index, wallets, identities) for index in range(len(self._members))]
        self._index = {peer.name: index for index, peer in enumerate(self.peers)}
        self._up: set[int] = set()  # have joined
        self._left: set[int] = set()  # have ended by themselves
        self._down: set[int] = set()  # were taken down by a fault, and will be back
        self._end = SessionEnd(self.session.linger, self.session.max_duration)
        self._interrupted = asyncio.Event()
        self._made: dict[Cid, None] = {}  # trained or published models, in order
        self._averages: set[Cid] = set()  # among them

    async def run(self) -> EndedBy:
        """What ended it: quiet, max_duration or interrupted.  Everything is recorded by then.

        Raises InputError: the process of the EVM was killed.
        """
        try:
            ended_by = await self._live()
            if ended_by is not EndedBy.INTERRUPTED:
                self.evaluation.add_last((self.peers[index].name, self.peers[index].peer) for index in sorted(self._up))
                await self._unless_stopped(self._flush())
            self.chain = await export(self.node, self.alloc, self.alloc)
            if self._interrupted.is_set():
                ended_by = EndedBy.INTERRUPTED
            self.record(self.clock(), SWARM, SessionEnded(ended_by))
        except BaseExceptionGroup as group:
            raise input_error(group) or group from None
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
        return ended_by

    def stop(self) -> None:
        """End the session now."""
        self._interrupted.set()

    # what faults do to peers

    def wait_for(self, faults: Sequence[tuple[float, float]]) -> None:
        """Let quiet end the session only after those of these faults that have begun.  Session seconds."""
        self._end.faults = faults

    def live_peer(self, name: str) -> LivePeer:
        return self.peers[self._index[name]]

    def runs(self, name: str) -> bool:
        """Whether it has joined and has not ended; a frozen peer runs."""
        return self._index[name] in self._up - self._left - self._down

    async def take_down(self, name: str, gently: bool) -> None:
        """End a peer's task, without warning unless ``gently``, and disconnect it.  Its journal stays."""
        index = self._index[name]
        if gently:
            self.peers[index].stop()
        else:
            self._lives[index].cancel()
        self._down.add(index)
        self.setup.swarm.net.down.add(name)
        await asyncio.wait([self._lives[index]])

    def bring_back(self, name: str) -> None:
        """Start a peer that was taken down from its journal."""
        index = self._index[name]
        self.peers[index].restore()
        self._down.discard(index)
        self._left.discard(index)
        self.setup.swarm.net.down.discard(name)
        self._lives[index] = self._group.create_task(self._life(index))

    @property
    def kept_models(self) -> dict[Cid, bytes]:
        """The blocks from which a replay computes all others, on any processor."""
        return {cid: self.setup.swarm.blocks[cid] for cid in self._made if cid not in self._averages}

    @property
    def journals(self) -> dict[str, Journal]:
        journals = zip(self.peers, self._journals, strict=True)
        return {peer.name: (peer.config, journal.entries, journal.signature) for peer, journal in journals}

    # private

    async def _live(self) -> EndedBy:
        async with asyncio.TaskGroup() as group:
            self._group, open_ = group, asyncio.Event()
            mining = self.evm.mine_every(self.session.chain.block_time)
            background = [group.create_task(work) for work in (mining, self._evaluate(), self.sensors.run(open_))]
            await self._unless_stopped(open_.wait())
            ended_by = EndedBy.INTERRUPTED if self._interrupted.is_set() else await self._lead()
            for task in background:
                task.cancel()
        return ended_by

    async def _lead(self) -> EndedBy:
        """From the start of the peers to the end of the last one."""
        self._lives = [self._group.create_task(self._life(index)) for index in range(len(self.peers))]
        faults = [self._group.create_task(self.faults.run(self.clock))] if self.faults else []
        ended_by = await self._over()
        for task in faults:
            task.cancel()
            await asyncio.wait([task])  # the runner heals everything before it ends
        for index, life in enumerate(self._lives):
            if index not in self._up:
                life.cancel()
            elif ended_by is EndedBy.INTERRUPTED:
                self.peers[index].stop()
            else:
                self.peers[index].close()
        await asyncio.wait(self._lives)
        return ended_by

    async def _life(self, index: int) -> None:
        await asyncio.sleep(self._members[index].group.joins_at - self.clock())
        mine = self.gossips[index]
        for other in self._up.intersection(self._neighbours[index]):
            theirs = self.gossips[other]
            mine.room[theirs.name], theirs.room[mine.name] = theirs, mine
        self._up.add(index)
        await self.peers[index].run()
        self._left.add(index)

    async def _over(self) -> EndedBy:
        """Check every ``TICK`` seconds whether the session is over."""
        while not self._interrupted.is_set():
            ended_by = self._end.check(self.clock(), self._quiet, self._settled)
            if ended_by:
                return ended_by
            try:
                await asyncio.wait_for(self._interrupted.wait(), TICK)
            except TimeoutError:
                continue
        return EndedBy.INTERRUPTED

    @property
    def _quiet(self) -> bool:
        """Whether all have joined, none is away, and none has anything left to do."""
        away = self._down or self.sensors.busy or any(peer.frozen for peer in self.peers)
        return len(self._up) == len(self.peers) and not away and all(peer.quiet for peer in self._active())

    @property
    def _settled(self) -> bool:
        """Whether all have joined and are up, and nothing can happen any more."""
        up = len(self._up - self._left - self._down) == len(self.peers)
        if not up or self.sensors.busy or any(peer.frozen for peer in self.peers):
            return False
        rests = list[Rest | None]()
        for live in self.peers:
            rests.append(live.peer.rest())
            if rests[-1] is None:
                return False
        followers = [rest for rest, live in zip(rests, self.peers, strict=True) if live.config.sensors]
        heard = [[rests[other] for other in self._neighbours[index]] for index in range(len(rests))]
        return settled([*zip(rests, heard, strict=True), (self.sensors.rest, followers)])

    def _active(self) -> list[Peer]:
        return [self.peers[index].peer for index in sorted(self._up - self._left - self._down)]

    async def _unless_stopped(self, work: Coroutine[Any, Any, object]) -> None:
        """Run ``work`` to its end, or until the session is stopped."""
        tasks = {asyncio.ensure_future(awaitable) for awaitable in (work, self._interrupted.wait())}
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        for task in done:
            task.result()

    async def _evaluate(self) -> None:
        while True:
            await asyncio.sleep(EVALUATE_EVERY if self._end.quiet_since is None else TICK)
            await self._flush(EVALUATE_AT_ONCE)

    async def _flush(self, most: int | None = None) -> None:
        models = self.evaluation.take(most)
        try:
            loop = asyncio.get_running_loop()
            scores = await loop.run_in_executor(self._threads, self.evaluation.score, models)
        except asyncio.CancelledError:
            self.evaluation.waiting[:0] = models  # for the last flush
            raise
        self.evaluation.record_scores(self.clock(), models, scores)

    def _peer(self, index: int, wallets: Mapping[str, Wallet], identities: Mapping[str, IpfsIdentity]) -> LivePeer:
        setup, member = self.setup, self._members[index]
        chain = EvmChain(self.node, wallets[member.name], FeePolicy.of(self.session.chain))
        store = LiveMemoryStore(setup.swarm, member.name, self.session.network.fetch_timeout)
        faults = (self.faults.observe,) if self.faults else ()
        config = setup.peer_config(setup.present[index])
        return LivePeer(
            member.name,
            config,
            replace(setup.ports(setup.present[index], chain), store=store, key=identities[member.name]),
            self.sensors.gossip(config, self.gossips[index], store),
            self._journals[index],
            self.clock,
            (*self.observers, self.evaluation.observe, self._sort_models, *faults),
            self._threads,
            holds=chain.contains,
        )

    def _sort_models(self, now: float, peer: str, item: Fact) -> None:
        """Note what a replay will need; delete the block of an average that the peer did not keep."""
        match item:
            case Trained(cid=cid) | Published(cid=cid) | RowsPublished(cid=cid) | RowsForwarded(cid=cid):
                self._made[cid] = None
            case Averaged(cid=cid, remote_cid=remote, adopted=True) if cid != remote:
                self._averages.add(cid)
            case Averaged(cid=cid):
                self.setup.swarm.drop_unread(cid, peer)

    def record(self, now: float, peer: str, item: Fact) -> None:
        for observe in self.observers:
            observe(now, peer, item)


def _funds(session: Session, wallets: Mapping[str, Wallet]) -> dict[Address, Wei]:
    return {wallet.address: wei(session.chain.balance) for wallet in wallets.values()}
