"""What is settled before a session's second 0, wherever it runs in one process: who takes part and who hears whom, what
they agreed on, which blocks everybody has, and what each peer is told.
"""

import random
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from learnae.adapters import memory, memory_network
from learnae.messages.wire import cid_of
from learnae.ports import Chain, Predictor, Trainer
from learnae.protocol.peer import Peer
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, PeerId, Policy, Score
from learnae.records.history import VERSION, RosterEntry, SessionBegan
from learnae.records.outcome import BackendName
from learnae.runtime.dispatch import Ports
from learnae.session.faults import Link
from learnae.session.manifest import manifest, peer_config
from learnae.session.roster import Keys, Member, neighbourhood, roster
from learnae.session.session_file import resolved
from learnae.session.settings import Session

Blocks = MutableMapping[Cid, bytes]
Tick = Callable[[float, Sequence[Peer]], None]  # shown now and then: session seconds, and the peers that are up


class Learning(Protocol):
    """Rows, networks and the judge of a whole session.  Peers by index in the roster."""

    features: int
    notice: str | None  # one sentence to print, if something had to be shrunk

    def initial_block(self, name: str) -> bytes: ...

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer: ...

    def rows(self, index: int) -> int:
        """Training rows."""
        ...

    def predictor(self, blocks: Blocks) -> Predictor: ...

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

    def predictor(self, blocks: Blocks) -> Predictor:
        return memory.MemoryPredictor()

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[tuple[Score, Score | None]]:
        return [(Score(int(blocks[cid].split()[0]), 1000), None) for _, cid in models]


class SessionSetup:
    """``keys``: the public ids of a name.  All peers share one swarm of blocks and one ring of keys."""

    def __init__(self, session: Session, learning: Learning, keys: Keys) -> None:
        self.session, self.learning = session, learning
        self.members = roster(session.groups, session.peers, keys)
        self.links = neighbourhood(len(self.members), session.network.degree, random.Random(f"{session.seed} links"))
        net = memory_network.MemoryNet(random.Random(f"{session.seed} network"), Link(loss=session.network.loss))
        self.swarm = memory_network.MemorySwarm(net)
        self._ring: dict[PeerId, bytes] = {}
        self._initial = {member.name: self._serve(learning.initial_block(member.name)) for member in self.members}
        self.manifest = manifest(session, self._initial[self.members[0].name], learning.features)
        self.session_id = self._serve(self.manifest)

    def config(self, index: int) -> PeerConfig:
        member = self.members[index]
        heard = [index, *self.links[index]]
        expected_identities = sum(self.members[each].traits.wants_payment for each in heard)
        return peer_config(self.session, member, self.session_id, self._initial[member.name], expected_identities)

    def ports(self, index: int, chain: Chain) -> Ports:
        member = self.members[index]
        return Ports(
            memory_network.MemoryStore(self.swarm, member.name),
            memory.MemoryKey(self._ring, member.peer),
            chain,
            self.session.chain.id,
            self.learning.trainer(index, member.peer, self.session_id, self.swarm.blocks),
            self.swarm.blocks,
        )

    def began(self, backend: BackendName) -> SessionBegan:
        return SessionBegan(VERSION, backend, resolved(self.session), roster_entries(self.members), self.session_id)

    def _serve(self, block: bytes) -> Cid:
        """Everybody has it from the start.  Initial weights too: where they are not common, each has its own."""
        cid = cid_of(block)
        self.swarm.blocks[cid] = block
        self.swarm.holders[cid] = {member.name: None for member in self.members}
        return cid


def memory_keys(session: Session) -> Keys:
    """Public ids that nobody signs with."""
    return lambda name: memory.keys(f"{session.seed} {name}")


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
