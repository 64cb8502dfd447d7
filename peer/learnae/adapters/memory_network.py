"""The store and gossip ports in memory, and the links between peers that faults disturb.

The suites that test Kubo test these too (``tests/adapters``).  Calls answer at once or raise, so that the simulator can
run them in virtual time; only ``LiveMemoryStore.get`` and ``MemoryGossip.subscribe`` wait.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass, field

from learnae.errors import BadMessage, PortError, Reason
from learnae.messages.wire import MAX_MESSAGE, MAX_MODEL, cid_of, decode, encode
from learnae.protocol.events import Announcement
from learnae.protocol.types import Cid, PeerId
from learnae.session.faults import CUT, Link, Links

NO_EFFECT = Link()
MAX_UNREAD = 1000  # messages that a peer may leave unread; more are lost


@dataclass
class MemoryNet:
    """``ports.Network``: the links between peers, by name.

    ``everywhere``: the effect on all links; ``links``: additional effects on some.
    """

    rng: random.Random
    everywhere: Link = NO_EFFECT
    links: Links = field(default_factory=dict)
    down: set[str] = field(default_factory=set)  # peers that do not run
    stores_down: set[str] = field(default_factory=set)  # peers whose store does not run
    hindered: Counter[tuple[str, str]] = field(default_factory=Counter)  # messages refused, lost or delayed

    async def set_links(self, links: Links) -> None:
        self.links = links

    async def affected(self, links: Links) -> int:
        return sum(self.hindered[pair] for pair in links)

    @property
    def undisturbed(self) -> bool:
        """Whether every message arrives, without delay.  Asked for each, so that most cost no more than this."""
        return not (self.links or self.down or self.stores_down) and self.everywhere == NO_EFFECT

    def runs(self, name: str) -> bool:
        return name not in self.down and name not in self.stores_down

    def link(self, sender: str, receiver: str) -> Link:
        extra = self.links.get((sender, receiver))
        return self.everywhere.worse(extra) if extra else self.everywhere

    def allows(self, sender: str, receiver: str) -> bool:
        link = self.link(sender, receiver)
        allowed = self.runs(sender) and self.runs(receiver) and link.loss < 1
        if not allowed or link.delay or link.bandwidth:
            self.hindered[sender, receiver] += 1
        return allowed

    def delay(self, sender: str, receiver: str) -> float | None:
        """Seconds that one message takes longer because of faults; None: it does not arrive."""
        if self.undisturbed:
            return 0.0
        arrives = self.allows(sender, receiver) and not self._loses(sender, receiver)
        return self.link(sender, receiver).delay if arrives else None

    def _loses(self, sender: str, receiver: str) -> bool:
        loss = self.link(sender, receiver).loss
        lost = loss > 0 and self.rng.random() < loss
        if lost:
            self.hindered[sender, receiver] += 1
        return lost


@dataclass
class MemorySwarm:
    """All blocks, and the peers that serve them.  A large model is one block here: nothing would be listed or chunked.

    ``max_size``: bytes of a block that a peer puts or gets.
    """

    net: MemoryNet
    blocks: dict[Cid, bytes] = field(default_factory=dict)
    holders: dict[Cid, dict[str, None]] = field(default_factory=dict)
    readers: dict[Cid, set[str]] = field(default_factory=dict)  # who has the plain block of a sealed model
    max_size: int = MAX_MODEL

    def drop_unread(self, cid: Cid, name: str) -> None:
        """Delete a block of this peer that nobody else can have."""
        if cid not in self.holders and self.readers.get(cid, set()) <= {name}:
            self.blocks.pop(cid, None)
            self.readers.pop(cid, None)

    def best_link(self, cid: Cid, name: str) -> Link:
        """The best link over which this peer can fetch a block; CUT if no holder can be reached."""
        holders = self.holders.get(cid, {})
        if name in holders or not self.net.runs(name):
            return NO_EFFECT  # the peer's own store answers at once: with the block, or not at all
        if self.net.undisturbed:
            return NO_EFFECT if holders else CUT
        links = [self.net.link(holder, name) for holder in holders if self.net.allows(holder, name)]
        return min(links, key=lambda link: (link.loss, link.delay), default=CUT)


class ReadableBlocks(MutableMapping[Cid, bytes]):
    """``runtime.dispatch.Ports.blocks`` of one peer where models are sealed: what it has made or opened, and all that
    stores serve.  Plain blocks are kept once, for all."""

    def __init__(self, swarm: MemorySwarm, name: str) -> None:
        self._swarm, self._name = swarm, name

    def __getitem__(self, cid: Cid) -> bytes:
        if cid not in self._swarm.holders and self._name not in self._swarm.readers.get(cid, ()):
            raise KeyError(cid)
        return self._swarm.blocks[cid]

    def __setitem__(self, cid: Cid, block: bytes) -> None:
        self._swarm.blocks.setdefault(cid, block)
        self._swarm.readers.setdefault(cid, set()).add(self._name)

    def __delitem__(self, cid: Cid) -> None:
        self._swarm.readers[cid].remove(self._name)

    def __iter__(self) -> Iterator[Cid]:
        return (cid for cid in self._swarm.blocks if cid in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass
class MemoryStore:
    """``ports.Store`` of one peer."""

    swarm: MemorySwarm
    name: str

    async def put(self, block: bytes) -> Cid:
        self._limit_size(block)
        self._reach_own_node()
        cid = cid_of(block)
        self.swarm.blocks[cid] = block
        self.swarm.holders.setdefault(cid, {})[self.name] = None
        return cid

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        self._reach_own_node()
        holders = self.swarm.holders.get(cid, {})
        if not holders:
            raise PortError(Reason.NOT_FOUND, cid)
        if not any(holder == self.name or self._connected(holder) for holder in holders):
            raise PortError(Reason.UNREACHABLE, cid)
        block = self.swarm.blocks[cid]
        self._limit_size(block)
        holders[self.name] = None  # a peer that has fetched a block serves it
        return block

    def _limit_size(self, block: bytes) -> None:
        if len(block) > self.swarm.max_size:
            raise PortError(Reason.OVERSIZE, f"{len(block)} bytes")

    def _connected(self, holder: str) -> bool:
        """A fetch needs both directions."""
        net = self.swarm.net
        return net.allows(holder, self.name) and net.allows(self.name, holder)

    def _reach_own_node(self) -> None:
        if not self.swarm.net.runs(self.name):
            raise PortError(Reason.UNREACHABLE, self.name)


@dataclass
class LiveMemoryStore(MemoryStore):
    """``MemoryStore`` in real time: a fetch takes as long as faults of links make it.

    ``fetch_timeout``: s that a fetch may take; if no holder can be reached, it tries again at the end of that time.
    """

    fetch_timeout: float = 10.0

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        link = self.swarm.best_link(cid, self.name)
        seconds = self.fetch_timeout if link == CUT else self._transfer_time(cid, link)
        await asyncio.sleep(min(seconds, self.fetch_timeout))
        if seconds > self.fetch_timeout:
            raise PortError(Reason.TIMEOUT, cid)
        return await super().get(cid, hints)

    def _transfer_time(self, cid: Cid, link: Link) -> float:
        """A request and its answer; what is lost is sent again."""
        size = len(self.swarm.blocks.get(cid, b""))
        return (2 * link.delay + (size / link.bandwidth if link.bandwidth else 0.0)) / (1 - link.loss)


@dataclass
class MemoryGossip:
    """``ports.Gossip`` of one peer, for drivers with an event loop.  ``room``: the peers that receive from it."""

    net: MemoryNet
    room: dict[str, "MemoryGossip"]
    name: str
    peer: PeerId
    max_message: int = MAX_MESSAGE
    dropped: Counter[Reason] = field(default_factory=Counter)
    heard: asyncio.Queue[tuple[PeerId, bytes]] = field(default_factory=lambda: asyncio.Queue(MAX_UNREAD))

    def __post_init__(self) -> None:
        self.room[self.name] = self

    async def publish(self, announcement: Announcement) -> None:
        self.broadcast(encode(announcement))

    def broadcast(self, message: bytes) -> None:
        """Send to all peers in the room that can be reached; the sender cannot be forged."""
        for other in self.room.values():
            delay = None if other is self else self.net.delay(self.name, other.name)
            if delay is None:
                continue
            if delay:
                asyncio.get_running_loop().call_later(delay, other.receive, self.peer, message)
            else:
                other.receive(self.peer, message)

    def receive(self, sender: PeerId, message: bytes) -> None:
        if not self.heard.full():
            self.heard.put_nowait((sender, message))

    async def subscribe(self) -> AsyncIterator[tuple[PeerId, Announcement]]:
        while True:
            sender, message = await self.heard.get()
            try:
                announcement = decode(message, self.max_message)
            except BadMessage as error:
                self.dropped[error.reason] += 1
            else:
                yield sender, announcement
