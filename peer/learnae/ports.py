"""The interfaces between a peer and the world: one Protocol per target, as few methods as possible.

Every method either answers or raises a ``learnae.errors.PortError`` with a ``Reason``; none returns None for "failed".
``adapters/memory.py`` holds a fake of each; ``tests/ports`` runs one suite against the fake and the real thing.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from learnae.errors import Reason
from learnae.protocol.events import Event
from learnae.protocol.types import (
    Address,
    Announcement,
    Cid,
    Claim,
    ClaimFacts,
    Forgery,
    Head,
    ModelRef,
    PeerId,
    Poid,
    Receipt,
    Score,
    Signed,
    TxHash,
    Wei,
    Weights,
)
from learnae.records.history import Fact
from learnae.session.faults import Component, Fault, Links


class Store(Protocol):
    """Content-addressed blocks, as one peer sees them.  Whoever has got a block serves it (section 1.2)."""

    async def put(self, block: bytes) -> Cid: ...

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        """Raises PortError: NOT_FOUND, UNREACHABLE, TIMEOUT, OVERSIZE (more than 1 MiB)."""
        ...


class Gossip(Protocol):
    """Best effort: may lose, delay and repeat; never invents a sender."""

    @property
    def dropped(self) -> Mapping[Reason, int]:
        """What was heard and is no announcement: how much of it, and why."""
        ...

    async def publish(self, announcement: Announcement) -> None:
        """Raises PortError: UNREACHABLE, TIMEOUT, NONSENSE."""
        ...

    def subscribe(self) -> AsyncIterator[tuple[PeerId, Announcement]]:
        """What other peers of the session announce from now on, each with its sender as verified; never raises, never
        ends.  While nobody can be heard it waits."""
        ...


class IdentityKey(Protocol):
    """The IPFS key of one peer."""

    @property
    def peer_id(self) -> PeerId: ...

    async def sign(self, message: bytes) -> str: ...

    def verify(self, peer: PeerId, message: bytes, signature: str) -> bool: ...


class Chain(Protocol):
    """One wallet's view of an EVM chain.  ``attempt`` raises the fee of a replacement; the nonce is the caller's."""

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed: ...

    async def sign_pay(self, to: Address, wei: Wei, cid: Cid, nonce: int, attempt: int) -> Signed:
        """Raises PortError: FUNDS when the balance does not cover this and all that is signed and not mined.

        Both: InputError if the first attempt at a nonce comes after the chain has mined it.
        """
        ...

    async def broadcast(self, signed: Signed) -> None:
        """Idempotent: a transaction that is known or mined already is no error.

        Raises PortError: CHAIN if it was signed for another chain than this one.
        """
        ...

    async def receipt(self, hash: TxHash) -> Receipt | None: ...

    async def head(self) -> Head: ...

    async def read_claim(self, claim: Claim) -> ClaimFacts:
        """Raises PortError: NOT_FOUND (no code there), NONSENSE.  ``signature_valid`` is filled in by the caller."""
        ...

    async def balance(self, wallet: Address) -> Wei: ...


class Trainer(Protocol):
    """One peer's rows, network and optimizer; functional: weights come and go as blocks, found by CID.

    A future may do its work when ``result`` is first called (``lazy_future``), so that a pool can batch waiting jobs.
    It raises PortError: NOT_FOUND, OVERSIZE, MALFORMED, SHAPE, NOT_FINITE, CREATOR, DIGEST.

    Whatever is judged is scored on the peer's own validation rows (the public block if it has none).
    """

    def score(self, cid: Cid, model: ModelRef | None) -> Future[tuple[Weights, Score]]: ...

    def train(self, base: Cid, slice: int, visit: int, step: int) -> Future[tuple[Weights, Score]]: ...

    def average(self, base: Cid, remote: ModelRef, step: int) -> Future[tuple[Weights, Score]]: ...

    def forge(self, forgery: Forgery, source: ModelRef | None, step: int) -> Future[Weights]: ...


class Predictor(Protocol):
    """One peer's network without its rows: what a model says of rows that somebody brings."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Features of a row, hidden layers, classes."""
        ...

    def predict(self, cid: Cid, rows: Sequence[Sequence[float]], standardised: bool) -> list[list[float]]:
        """The probability of each class, row by row.  ``standardised``: rows are as the session's are after it took
        their mean and spread; otherwise as they were before.  Raises PortError: NOT_FOUND."""
        ...


class Journal(Protocol):
    """Events of one peer, appended before their actions are performed, with a digest of those actions."""

    def append(self, event: Event, digest: str) -> None: ...

    def replay(self) -> list[tuple[Event, str]]: ...


class Observer(Protocol):
    """History and metrics are observers, and with ``Stopwatch`` the only instrumentation."""

    def __call__(self, now: float, peer: str, item: Fact) -> None: ...


@dataclass(frozen=True, slots=True)
class Performed:
    """One call of a live peer's ports.  ``action``: the class of the action, or ReadHead (a look at the chain).

    ``seconds``: from its beginning to its end, waiting for a thread included.  ``bytes`` of the block that it moved.
    """

    action: str
    seconds: float
    failed: Reason | None
    bytes: int = 0


class Stopwatch(Protocol):
    """Told how long things take: for metrics alone, since no history depends on it."""

    def __call__(self, peer: str, performed: Performed) -> None: ...


class Network(Protocol):
    """The links between the peers of a swarm, as ``runtime.fault_runner`` disturbs them.

        await network.set_links({("p00", "p01"): CUT})    # and every other link works
        await network.affected({("p00", "p01"): CUT})     # 17 messages were dropped
        await network.set_links({})                       # all links work

    Both methods raise InputError if a link cannot be reached; the other links are set all the same.
    """

    async def set_links(self, links: Links) -> None:
        """Disturb exactly these links, from sender to receiver."""
        ...

    async def affected(self, links: Links) -> int:
        """Messages on these links that were dropped, or delayed if their effect is a delay, since the session began."""
        ...


class Lifecycle(Protocol):
    """The processes of a swarm, as ``runtime.fault_runner`` interrupts them.

        await lifecycle.interrupt(Component(Part.PEER, "p03"), Fault(FaultKind.KILL, at=0))    # True: it was running
        await lifecycle.interrupted(...)                                                       # True
        await lifecycle.restore(...)                                                           # it runs again

    ``fault`` tells how: kill, stop or pause; a killed chain comes back without its last ``fault.blocks``.  All raise
    InputError if it cannot be done.
    """

    async def interrupt(self, component: Component, fault: Fault) -> bool:
        """Kill, stop or pause a process.  False: it was not running, and nothing was done."""
        ...

    async def restore(self, component: Component, fault: Fault) -> None:
        """Undo what ``interrupt`` did with the same arguments."""
        ...

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        """Whether the process is observed not to run, and a killed chain to have lost blocks."""
        ...
