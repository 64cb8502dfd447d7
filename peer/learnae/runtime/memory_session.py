"""A session in one process: what its peers agree on, and the memory network that carries their blocks."""

import random
from collections.abc import Set

from learnae.adapters import memory, memory_network
from learnae.ed25519 import verify_text
from learnae.ports import Chain
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import PeerId
from learnae.records.history import SessionBegan, session_began
from learnae.records.outcome import BackendName
from learnae.runtime.dispatch import Ports
from learnae.runtime.learning import Learning
from learnae.runtime.sensor_keys import with_sensor_keys
from learnae.sealing import SealingKey
from learnae.session.faults import Link
from learnae.session.roster import Keys, roster
from learnae.session.settings import Session
from learnae.session.setup import SessionSetup


class MemorySession(SessionSetup):
    """``keys`` gives the public ids of a name.  All peers share one swarm of blocks and one key ring.

    ``present``: names of the peers that take part; None: all.  The others keep their rows and are nobody's neighbours.
    """

    def __init__(self, session: Session, learning: Learning, keys: Keys, present: Set[str] | None = None) -> None:
        members = roster(session.groups, session.peers, keys, session.privacy)
        degree = session.network.degree
        super().__init__(
            session,
            members,
            learning.features,
            learning.data_sha256,
            learning.initial_block,
            degree,
            learning.statistics,
        )
        self.learning = learning
        peers = [i for i, member in enumerate(members) if not member.group.sensor]  # nothing of a sensor runs here
        self.present = [i for i in peers if present is None or members[i].name in present]
        absent = set(range(len(members))).difference(self.present)
        self.neighbours = [[other for other in others if other not in absent] for others in self.neighbours]
        network = memory_network.MemoryNet(random.Random(f"{session.seed} network"), Link(loss=session.network.loss))
        self.swarm = memory_network.MemorySwarm(network)
        self._ring: dict[PeerId, bytes] = {}
        for member in members:
            self.initial_cid(member)
        self.swarm.max_size = self.largest_block
        everybody: dict[str, None] = dict.fromkeys(member.name for member in self.members)
        for cid, block in {**self.blocks, self.session_id: self.manifest}.items():  # all have them from the start
            self.swarm.blocks[cid] = block
            self.swarm.holders[cid] = everybody  # one for all blocks: it cannot grow

    def ports(self, index: int, chain: Chain) -> Ports:
        member, sealed = self.members[index], self.session.defence.sealed
        blocks = memory_network.ReadableBlocks(self.swarm, member.name) if sealed else self.swarm.blocks
        return Ports(
            memory_network.MemoryStore(self.swarm, member.name),
            memory.MemoryKey(self._ring, member.peer, verify_text),
            chain,
            self.session.chain.id,
            self.learning.trainer(index, member.peer, self.session_id, blocks),
            blocks,
            SealingKey(self.peer_config(index).salt) if sealed else None,
        )

    def peer_config(self, index: int) -> PeerConfig:
        return self.config(index, self.learning.commitment(index))

    def began(self, backend: BackendName) -> SessionBegan:
        return session_began(backend, self.session, self.members, self.session_id)


def memory_keys(session: Session) -> Keys:
    """Public ids without private keys, except those of sensors, whose readings are signed."""
    return with_sensor_keys(session, lambda name: memory.keys(f"{session.seed} {name}"))
