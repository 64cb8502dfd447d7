"""The interfaces between a peer and the world: one Protocol per target, as few methods as possible.

Every method either answers or raises a ``learnae.errors.PortError`` with a ``Reason``; none returns None for a failure.
``adapters/memory.py`` holds a fake of each; ``tests/adapters`` runs one suite against the fake and the real port.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from learnae.errors import LearnaeError, PortError, Reason
from learnae.plugins import PluginError
from learnae.protocol.blockchain import Head, PaymentReport, PoolCall, PoolState, Receipt, Signed
from learnae.protocol.defence_types import Likeness
from learnae.protocol.events import Announcement, Event
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Address, Cid, Claim, ClaimFacts, ModelRef, PeerId, Poid, Score, TxHash, Wei, Weights
from learnae.records.history import Fact
from learnae.session.faults import Component, Fault, Links


class Store(Protocol):
    """Content-addressed blocks, as one peer sees them.  A peer that has fetched a block serves it (section 1.2).

    A block may exceed the 1 MiB of an IPFS block: an implementation splits it, and its CID stays ``wire.cid_of``.
    """

    async def put(self, block: bytes) -> Cid: ...

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        """Raises PortError: NOT_FOUND, UNREACHABLE, TIMEOUT, OVERSIZE (no block of the session is as large)."""


class Gossip(Protocol):
    """Best effort: messages may be lost, delayed and repeated, but a sender is never forged."""

    @property
    def dropped(self) -> Mapping[Reason, int]:
        """Number of received messages that are not announcements, by reason."""

    async def publish(self, announcement: Announcement) -> None:
        """Raises PortError: UNREACHABLE, TIMEOUT, INVALID_RESPONSE."""

    def subscribe(self) -> AsyncIterator[tuple[PeerId, Announcement]]:
        """What other peers of the session announce from now on, with verified senders.  Never raises and never ends; it
        waits while no peer can be reached."""


class Feed(Protocol):
    """Short messages of sensors.  At least once, in no order, from unknown senders: readers verify and sort them.

    messages = await feed.follow()     # receives from now on
    await feed.publish(b"...")         # confirmed: it is safe to forget the message
    async for message in messages: ...
    """

    @property
    def nodes_up(self) -> int:
        """How many nodes of the feed, or brokers, this connection reached at its last attempt to follow; at first 0."""

    async def publish(self, message: bytes) -> None:
        """Return once the feed has confirmed the message, so that it survives what the feed promises to survive.

        If it raises, the message may have arrived all the same; publish it again.

        Raises PortError: OVERSIZE (more than ``wire.MAX_READING`` bytes), UNREACHABLE (also after ``close``), TIMEOUT,
        INVALID_RESPONSE.
        """

    async def follow(self) -> AsyncIterator[bytes]:
        """All messages that are confirmed from now on, one's own included.  Call it once.

        Returns as soon as messages can arrive, and waits while the feed cannot be reached.  The iterator reconnects by
        itself, never raises, and ends after ``close``.  What is confirmed during an interruption arrives later.
        """

    async def close(self) -> None:
        """End the connection and the iterator of ``follow``.  Idempotent."""


class IdentityKey(Protocol):
    """The IPFS key of one peer."""

    @property
    def peer_id(self) -> PeerId: ...

    async def sign(self, message: bytes) -> str: ...

    def verify(self, peer: PeerId, message: bytes, signature: str) -> bool: ...


class Chain(Protocol):
    """One wallet's view of an EVM chain.  The caller chooses the nonce.  ``attempt`` > 0 raises a replacement's fee."""

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed: ...

    async def sign_pay(self, to: Address, wei: Wei, cids: Sequence[Cid], nonce: int, attempt: int) -> Signed:
        """``cids``: the models that are paid for; the payment names them.

        Raises PortError: FUNDS if the balance does not cover this and all that is signed and not mined.

        All ``sign`` methods raise InputError if the chain has already mined the nonce of a first attempt.
        """

    async def sign_call(self, call: PoolCall, nonce: int, attempt: int) -> Signed:
        """A call of the session's fee pool.  Raises PortError: FUNDS, as above."""

    async def broadcast(self, signed: Signed) -> None:
        """Idempotent: sending a transaction that is known or mined is not an error.

        Raises PortError: CHAIN if the transaction was signed for another chain.
        """

    async def receipt(self, hash: TxHash) -> Receipt | None: ...

    async def head(self) -> Head: ...

    async def read_claim(self, claim: Claim) -> ClaimFacts:
        """Raises PortError: NOT_FOUND (no contract there), INVALID_RESPONSE.  The caller sets ``signature_valid``."""

    async def payments(self, since: int, wallets: Sequence[Address]) -> PaymentReport:
        """Payments for models to these wallets, from block ``since`` on; perhaps not up to the newest block."""

    async def pool(self) -> PoolState:
        """Raises PortError: NOT_FOUND if the chain has no fee pool, INVALID_RESPONSE."""

    async def balance(self, wallet: Address) -> Wei: ...


class ScoredDespite(LearnaeError):
    """A job of the trainer is done, but a plug-in failed, so that its default was used."""

    def __init__(self, weights: Weights, score: Score, failure: PluginError) -> None:
        super().__init__(str(failure))
        self.weights, self.score, self.failure = weights, score, failure


class TooSimilar(PortError):
    """A model is nearly an earlier one of another creator."""

    def __init__(self, similar: Likeness) -> None:
        super().__init__(Reason.SIMILAR)
        self.similar = similar


class Trainer(Protocol):
    """One peer's rows, network and optimizer; functional: weights come and go as blocks, found by CID.

    A future may do its work when ``result`` is first called (``lazy_future``), so that a pool can batch waiting jobs.
    It raises PortError: NOT_FOUND, OVERSIZE, MALFORMED, SHAPE, NOT_FINITE, CREATOR, DIGEST, PARENTS; ScoredDespite; and
    PluginError, from a model that is a plug-in.

    Whatever is judged is scored on the peer's own validation rows (its judging block if it holds no others).
    """

    def score(self, cid: Cid, model: ModelRef | None, earlier: tuple[Cid, ...] = ()) -> Future[tuple[Weights, Score]]:
        """Raises TooSimilar if it predicts nearly the same as one of ``earlier`` that the peer has.

        An average is not compared if the peer has its parents.
        """

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[tuple[Weights, Score]]:
        """On the received block ``rows`` instead, if it is given.

        Raises PortError for a block that is refused: SHAPE, NOT_FINITE, LABELS, DUPLICATE (rows of its own, or of an
        ``earlier`` block) and as above.
        """

    def pack(self, slice: int, flips: float) -> Future[Cid]:
        """A block of the rows of one of the peer's slices; ``flips``: share of its labels that are made wrong."""

    def average(
        self, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()
    ) -> Future[tuple[Weights, Score]]: ...

    def forge(
        self, forgery: Forgery, source: ModelRef | None, step: int, other: Cid | None = None
    ) -> Future[Weights]: ...


class Predictor(Protocol):
    """One peer's network, without its data: it predicts the labels of rows that a user sends."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of features, of units in each hidden layer, and of classes, or 1 if the label is a number."""

    def predict(self, cid: Cid, rows: Sequence[Sequence[float]], standardised: bool) -> list[list[float]]:
        """For each row, the probability of each class, or the one number in the unit of the label.

        ``standardised`` rows are scaled like the training data; others are scaled first.  Raises PortError: NOT_FOUND.
        """


class Journal(Protocol):
    """Events of one peer, each appended with a digest of its actions before the actions are performed."""

    def append(self, event: Event, digest: str, signature: str | None = None, durable: bool = True) -> None:
        """Append an entry.  ``durable``: it and all earlier ones survive a crash from now on; else it may be lost.

        ``signature``: the peer's, of all entries up to this one, which is its last (``messages.journal_lines``).
        """

    def replay(self) -> list[tuple[Event, str]]: ...


class Observer(Protocol):
    """Receives the facts of a session.  History and metrics are observers."""

    def __call__(self, now: float, peer: str, item: Fact) -> None: ...


@dataclass(frozen=True, slots=True)
class Performed:
    """One call of a live peer's ports.  ``action`` is the class of the action, or ReadHead (a look at the chain).

    ``seconds`` include the wait for a thread.  ``bytes`` is the size of the block that was moved.
    """

    action: str
    seconds: float
    failed: Reason | None
    bytes: int = 0


class Stopwatch(Protocol):
    """Receives durations.  Only metrics use them, because no history may depend on real time."""

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

    async def affected(self, links: Links) -> int:
        """Messages on these links that were dropped, or delayed if their effect is a delay, since the session began."""


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

    async def restore(self, component: Component, fault: Fault) -> None:
        """Undo what ``interrupt`` did with the same arguments."""

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        """Whether the process is observed not to run, and a killed chain to have lost blocks."""
