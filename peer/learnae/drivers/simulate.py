"""A session in the simulator, put together: roster, ports, ledger, trainers; then run, evaluated and exported."""

import random
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from learnae.adapters import memory
from learnae.adapters.ledger import Ledger, LedgerChain
from learnae.config import Session, resolved, wei
from learnae.core.facts import Published
from learnae.core.types import Cid, PeerId, Policy, Score, Wei
from learnae.core.wire import cid_of
from learnae.drivers.perform import Ports
from learnae.drivers.sim import Clock, Host, Simulator
from learnae.faults import Link
from learnae.history import SWARM, VERSION, Evaluated, HistoryFact, Record, RosterEntry, SessionBegan, SessionEnded
from learnae.manifest import manifest, peer_config
from learnae.ports import Observer, Trainer
from learnae.roster import Member, neighbourhood, roster

Blocks = MutableMapping[Cid, bytes]

EVALUATE_AT_ONCE = 64  # models; waiting for them delays only what is shown
JOURNALS_UP_TO = 100  # peers: beyond, journals are kept only where somebody may crash


class Learning(Protocol):
    """Rows, networks and the judge of a whole session.  Peers by index in the roster."""

    features: int
    notice: str | None  # one sentence to print, if something had to be shrunk

    def initial_block(self, name: str) -> bytes: ...

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer: ...

    def rows(self, index: int) -> int:
        """Training rows."""
        ...

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[tuple[Score, Score | None]]:
        """Accuracy of peers' models on rows no peer has: on all, and on those like the peer's own if they differ."""
        ...


@dataclass
class MemoryLearning:
    """No rows, no tensors, no torch: models are numbers (``adapters.memory.MemoryTrainer``)."""

    session: Session
    features: int = 0
    notice: str | None = None

    def initial_block(self, name: str) -> bytes:
        return b"500 - 0 initial"

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        return memory.MemoryTrainer(blocks, peer, str(self.session.seed))

    def rows(self, index: int) -> int:
        return self.session.data.rows

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[tuple[Score, Score | None]]:
        return [(Score(int(blocks[cid].split()[0]), 1000), None) for _, cid in models]


@dataclass
class Recording:
    """An observer that keeps the history in memory."""

    records: list[Record] = field(default_factory=list)

    def observe(self, now: float, peer: str, item: HistoryFact) -> None:
        self.records.append(Record(now, peer, item))


@dataclass
class Evaluation:
    """An observer that has the models of some peers scored on the test rows as they are published."""

    learning: Learning
    blocks: Blocks
    index: Mapping[str, int]  # of each peer in the roster
    followed: frozenset[str]
    record: Observer
    waiting: list[tuple[str, Cid, int]] = field(default_factory=list)
    last: dict[str, Cid] = field(default_factory=dict)

    def observe(self, now: float, peer: str, item: HistoryFact) -> None:
        if isinstance(item, Published) and peer in self.followed:
            self.add(peer, item.cid, item.step)

    def add(self, peer: str, cid: Cid, step: int) -> None:
        if self.last.get(peer) != cid:
            self.last[peer] = cid
            self.waiting.append((peer, cid, step))

    def flush(self, now: float, least: int = 1) -> None:
        if len(self.waiting) < least:
            return
        waiting, self.waiting = self.waiting, []
        scores = self.learning.evaluate([(self.index[peer], cid) for peer, cid, _ in waiting], self.blocks)
        for (peer, cid, step), (test, own) in zip(waiting, scores, strict=True):
            self.record(now, peer, Evaluated(cid, step, test, own))


class Simulation:
    """One session, ready to run.  ``simulator`` takes faults before ``run``."""

    def __init__(
        self, session: Session, learning: Learning, observers: Sequence[Observer], journals: bool | None = None
    ):
        self.session, self.learning, self.observers = session, learning, tuple(observers)
        self.clock = Clock()
        self.members = roster(session.groups, session.peers, lambda name: memory.keys(f"{session.seed} {name}"))
        net = memory.MemoryNet(random.Random(f"{session.seed} network"), Link(loss=session.network.loss))
        self.swarm = memory.MemorySwarm(net)
        self.ledger = Ledger(
            lambda: self.clock.now,
            {member.wallet: wei(session.chain.balance) for member in self.members},
            session.chain.id,
            session.chain.block_time,
            Wei(int(session.chain.gas_price * 10**9)),
        )
        initial = self._initial()
        self.manifest = manifest(session, initial[self.members[0].name], learning.features)
        hosts = self._hosts(initial)
        self._serve(cid_of(self.manifest), self.manifest)
        keep = journals if journals is not None else session.peers <= JOURNALS_UP_TO
        index = {member.name: number for number, member in enumerate(self.members)}
        self.evaluation = Evaluation(learning, self.swarm.blocks, index, self._followed(), self._record)
        watching = (*self.observers, self.evaluation.observe)
        self.simulator = Simulator(session, self.clock, hosts, self.swarm, self.ledger, watching, keep)

    def run(self, tick: Callable[["Simulation"], None] = lambda simulation: None) -> str:
        """What ended it: quiet, max_duration or interrupted.  Everything is recorded by then."""
        entries = roster_entries(self.members)
        began = SessionBegan(VERSION, "sim", resolved(self.session), entries, cid_of(self.manifest))
        self._record(0.0, SWARM, began)
        try:
            ended_by = self.simulator.run(lambda now: self._tick(now, tick))
            self.simulator.close()
        except KeyboardInterrupt:
            ended_by = "interrupted"
        self._evaluate_all()
        self._record(self.clock.now, SWARM, SessionEnded(ended_by))
        return ended_by

    # in here

    def _tick(self, now: float, tick: Callable[["Simulation"], None]) -> None:
        self.evaluation.flush(now, EVALUATE_AT_ONCE)
        tick(self)

    def _evaluate_all(self) -> None:
        """The last model of each peer, followed or not."""
        for host in self.simulator.hosts.values():
            if host.peer and host.peer.worker.weights:
                self.evaluation.add(host.name, host.peer.worker.weights.cid, host.peer.worker.step)
        self.evaluation.flush(self.clock.now)

    def _initial(self) -> dict[str, Cid]:
        """Everybody has the initial weights from the start; where they are not common, each has its own."""
        cids = {}
        for member in self.members:
            block = self.learning.initial_block(member.name)
            cids[member.name] = cid_of(block)
            self._serve(cids[member.name], block)
        return cids

    def _serve(self, cid: Cid, block: bytes) -> None:
        self.swarm.blocks[cid] = block
        self.swarm.holders[cid] = {member.name: None for member in self.members}

    def _hosts(self, initial: dict[str, Cid]) -> list[Host]:
        session, session_id = self.session, cid_of(self.manifest)
        links = neighbourhood(len(self.members), session.network.degree, random.Random(f"{session.seed} links"))
        hosts = []
        ring: dict[PeerId, bytes] = {}
        for index, member in enumerate(self.members):
            heard = [index, *links[index]]
            awaited = sum(self.members[each].traits.wants_payment for each in heard)
            config = peer_config(session, member, session_id, initial[member.name], awaited)
            ports = Ports(
                memory.MemoryStore(self.swarm, member.name),
                memory.MemoryKey(ring, member.peer),
                LedgerChain(self.ledger, member.wallet),
                session.chain.id,
                self.learning.trainer(index, member.peer, session_id, self.swarm.blocks),
                self.swarm.blocks,
            )
            dice = random.Random(f"{session.seed} cost {member.name}")
            speed = dice.lognormvariate(0.0, session.cost.spread)
            slice_rows = self.learning.rows(index) // session.work.slices
            hosts.append(Host(member.name, config, ports, member.traits.joins_at, slice_rows, dice, speed))
        for host, others in zip(hosts, links, strict=True):
            host.hears = [hosts[other] for other in others]
        return hosts

    def _followed(self) -> frozenset[str]:
        names = [member.name for member in self.members]
        count = min(len(names), self.session.evaluation_peers)
        return frozenset(random.Random(f"{self.session.seed} followed").sample(names, count))

    def _record(self, now: float, peer: str, item: HistoryFact) -> None:
        for observe in self.observers:
            observe(now, peer, item)


def roster_entries(members: Sequence[Member]) -> tuple[RosterEntry, ...]:
    """The members as a history names them."""
    return tuple(
        RosterEntry(
            member.name,
            member.peer,
            member.wallet,
            member.traits.has_rows,
            member.traits.trains,
            member.traits.wants_payment,
            Policy(member.traits.policy),
        )
        for member in members
    )
