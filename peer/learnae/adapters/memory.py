"""Keys, journal, trainer and predictor in memory (``memory_network``: store and gossip; ``memory_chain``: the chain).

The suites that test the real ports test these too (``tests/adapters``).  Calls answer at once or raise, so that
``now(coroutine)`` runs them in virtual time.
"""

import hashlib
import hmac
import math
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from learnae.errors import PortError, Reason
from learnae.lazy_future import lazy
from learnae.messages.ids import peer_id
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.protocol.actions import Action
from learnae.protocol.events import Event
from learnae.protocol.policies import Forgery
from learnae.protocol.replay import digest
from learnae.protocol.types import Address, Cid, ModelRef, PeerId, Score, Weights
from learnae.session.faults import Component, Fault

T = TypeVar("T")
NOBODY = "-"  # the creator of the initial weights
ROWS = b"rows "  # a row block of this trainer begins with
READING = b'{"features"'  # the header of a sensor's rows


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    coroutine.close()
    raise AssertionError("a memory port waited")


def keys(seed: str) -> tuple[PeerId, Address]:
    """Public ids of the right form, from a seed."""
    public = hashlib.sha256(f"peer {seed}".encode()).digest()
    return peer_id(public), Address("0x" + hashlib.sha256(f"wallet {seed}".encode()).hexdigest()[:40])


@dataclass
class MemoryKey:
    """``ports.IdentityKey``: a keyed hash.  Keys of one ring can verify each other's signatures.

    ``others``: verifies the signatures of those that are not in the ring, such as sensors.
    """

    ring: dict[PeerId, bytes]
    peer_id: PeerId
    others: Callable[[PeerId, bytes, str], bool] = lambda peer, message, signature: False

    def __post_init__(self) -> None:
        self.ring.setdefault(self.peer_id, hashlib.sha256(f"secret {self.peer_id}".encode()).digest())

    async def sign(self, message: bytes) -> str:
        return hmac.new(self.ring[self.peer_id], message, hashlib.sha256).hexdigest()

    def verify(self, peer: PeerId, message: bytes, signature: str) -> bool:
        if peer not in self.ring:
            return self.others(peer, message, signature)
        return hmac.new(self.ring[peer], message, hashlib.sha256).hexdigest() == signature


@dataclass
class MemoryJournal:
    """``ports.Journal`` that survives a crash of its peer but not the end of the process."""

    _entries: list[tuple[Event, str]] = field(default_factory=list)
    _undigested: list[tuple[Event, list[Action]]] = field(default_factory=list)  # later ones
    signature: str | None = None  # of the last entry

    def append(self, event: Event, digest: str, signature: str | None = None, durable: bool = True) -> None:
        self.entries.append((event, digest))
        self.signature = signature

    def append_actions(self, event: Event, actions: list[Action]) -> None:
        """Append an event.  The digest is computed when the journal is read: in simulations, most are not."""
        self._undigested.append((event, actions))

    @property
    def entries(self) -> list[tuple[Event, str]]:
        self._entries += [(event, digest(actions)) for event, actions in self._undigested]
        self._undigested.clear()
        return self._entries

    def replay(self) -> list[tuple[Event, str]]:
        return list(self.entries)


@dataclass(frozen=True)
class MemoryPredictor:
    """``ports.Predictor`` without a model: the larger a row's sum, the likelier is class 1."""

    widths: tuple[int, ...] = (3, 2)

    def predict(self, cid: Cid, rows: Sequence[Sequence[float]], standardised: bool) -> list[list[float]]:
        ones = [0.5 + math.atan(sum(row)) / math.pi for row in rows]
        return [[1 - one, one] for one in ones]


@dataclass
class MemoryTrainer:
    """``ports.Trainer`` without tensors: a model is the number of rows out of 1,000 that it classifies correctly.

    Training raises it by less and less.  An average lies near the better of two models; a pseudo-random number that
    depends on both makes it better or worse.  No two models predict the same, so that none is similar to another.
    """

    blocks: MutableMapping[Cid, bytes]
    peer: PeerId
    seed: str

    def score(self, cid: Cid, model: ModelRef | None, earlier: tuple[Cid, ...] = ()) -> Future[Any]:
        return lazy(lambda: self._scored(cid, self._skill(cid, model)))

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[Any]:
        gain = 200 // (visit + 1)

        def make() -> tuple[Weights, Score]:
            if rows is not None and not self._holds_rows(rows):
                raise PortError(Reason.MALFORMED, rows)
            return self._new_model(self._skill(base) + gain + self._draw(base, visit, 11) - 5, step)

        return lazy(make)

    def pack(self, slice: int, flips: float) -> Future[Any]:
        def make() -> Cid:
            block = ROWS + f"{slice} {self.peer} {flips}".encode()
            self.blocks[cid_of(block)] = block
            return cid_of(block)

        return lazy(make)

    def average(self, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()) -> Future[Any]:
        def make() -> tuple[Weights, Score]:
            self._skill(remote.weights.cid, remote)
            return self._new_model(self._mean(base, remote.weights.cid, remote.weights.digest, self.peer), step)

        return lazy(make)

    def forge(self, forgery: Forgery, source: ModelRef | None, step: int, other: Cid | None = None) -> Future[Any]:
        """What is made of two models is as good as the worse one."""
        copied = source if forgery is Forgery.COPY else None

        def make() -> Weights:
            skill = 500 if source is None or forgery is Forgery.RANDOM else self._skill(source.weights.cid, source)
            return self._new_model(min(skill, self._skill(other)) if other else skill, step, copied)[0]

        return lazy(make)

    def _mean(self, base: Cid, other: Cid, digest: str, peer: PeerId) -> int:
        """The skill of an average that this peer makes.  ``digest``: of the other model."""
        draw = replace(self, peer=peer)._draw(base, digest, 41)
        return max(0, min(999, max(self._skill(base), self._skill(other)) + draw - 25))

    def _new_model(self, skill: int, step: int, copied: ModelRef | None = None) -> tuple[Weights, Score]:
        """Only an exact copy has the digest of another model."""
        skill = max(0, min(999, skill))
        tensors = hashlib.sha256(f"{skill} {self.peer} {step}".encode()).hexdigest()[:32]
        digest = copied.weights.digest if copied else tensors
        block = f"{skill} {self.peer} {step} {digest}".encode()
        cid = cid_of(block)
        self.blocks[cid] = block
        return Weights(cid, digest), Score(skill, 1000)

    def _holds_rows(self, cid: Cid) -> bool:
        block = self.blocks.get(cid, b"")
        return block.startswith(ROWS) or block.startswith(READING, 8)

    def _scored(self, cid: Cid, skill: int) -> tuple[Weights, Score]:
        return Weights(cid, self.blocks[cid].decode().split()[3]), Score(skill, 1000)

    def _skill(self, cid: Cid, model: ModelRef | None = None) -> int:
        if cid not in self.blocks:
            raise PortError(Reason.NOT_FOUND, cid)
        match self.blocks[cid].split():
            case [skill, creator, step, digest] if skill.isdigit() and len(self.blocks[cid]) <= MAX_BLOCK:
                pass
            case _:
                raise PortError(Reason.MALFORMED, cid)
        if model and (model.creator, model.step) != (creator.decode(), int(step)):
            raise PortError(Reason.CREATOR, creator.decode())
        if model and model.weights.digest != digest.decode():
            raise PortError(Reason.DIGEST, digest.decode())
        if model and model.parents and all(parent in self.blocks for parent in model.parents.cids):
            base, other = model.parents.cids
            own_creator = self.blocks[base].decode().split()[1]
            _, other_creator, _, digest_of_other = self.blocks[other].decode().split()
            creators = model.creator if own_creator == NOBODY else own_creator, other_creator
            mean = self._mean(base, other, digest_of_other, model.creator)
            if creators != model.parents.creators or int(skill) != mean:
                raise PortError(Reason.PARENTS, cid)
        return int(skill)

    def _draw(self, *what: object) -> int:
        """A pseudo-random number from 0 to below the last argument."""
        text = " ".join(map(str, (self.seed, self.peer, *what)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % int(str(what[-1]))


@dataclass
class MemoryLifecycle:
    """``ports.Lifecycle`` of processes that exist by name only.  ``gone``: those that have ended by themselves."""

    down: dict[Component, Fault] = field(default_factory=dict)
    gone: set[Component] = field(default_factory=set)

    async def interrupt(self, component: Component, fault: Fault) -> bool:
        if component in self.gone or component in self.down:
            return False
        self.down[component] = fault
        return True

    async def restore(self, component: Component, fault: Fault) -> None:
        del self.down[component]

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        return component in self.down
