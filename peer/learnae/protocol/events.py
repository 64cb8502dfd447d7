"""What a peer can be told: facts, past tense.  ``at`` is session seconds and never decreases for one peer.

``request`` is the id of the action that is answered.  An id that is no longer open is ignored.
"""

from dataclasses import dataclass

from learnae.errors import Reason
from learnae.protocol.types import (
    Claim,
    ClaimFacts,
    Head,
    ModelAnnouncement,
    PeerId,
    Receipt,
    Score,
    Signed,
    Timer,
    Weights,
)


@dataclass(frozen=True, slots=True)
class Started:
    """First event of a journal, once: a restart replays it and is not told again."""

    at: float


@dataclass(frozen=True, slots=True)
class TimerFired:
    at: float
    timer: Timer


@dataclass(frozen=True, slots=True)
class ModelReceived:
    """A model announcement that passed ``Peer.screen``."""

    at: float
    announcement: ModelAnnouncement


@dataclass(frozen=True, slots=True)
class ClaimReceived:
    """An identity announcement that passed ``Peer.screen``; ``sender`` as verified by gossip."""

    at: float
    sender: PeerId
    claim: Claim
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelFetched:
    at: float
    request: int


@dataclass(frozen=True, slots=True)
class ModelStored:
    at: float
    request: int


@dataclass(frozen=True, slots=True)
class ModelScored:
    """Answers ``ScoreModel``, ``TrainSlice`` and ``AverageModels``; the block of ``weights`` is kept by the driver."""

    at: float
    request: int
    weights: Weights
    score: Score


@dataclass(frozen=True, slots=True)
class ModelForged:
    at: float
    request: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class TransactionSigned:
    at: float
    request: int
    signed: Signed


@dataclass(frozen=True, slots=True)
class TransactionSent:
    """The node took it or already had it.  Says nothing about being mined."""

    at: float
    request: int


@dataclass(frozen=True, slots=True)
class ReceiptsRead:
    """Receipts in the order of the hashes asked for; None: not mined."""

    at: float
    request: int
    head: Head
    receipts: tuple[Receipt | None, ...]


@dataclass(frozen=True, slots=True)
class ClaimSigned:
    at: float
    request: int
    signature: str


@dataclass(frozen=True, slots=True)
class ClaimRead:
    at: float
    request: int
    facts: ClaimFacts


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """Any request may end so: every request is survivable."""

    at: float
    request: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class ChainRolledBack:
    """The chain's height or hash regressed, its genesis changed, or the driver was away and cannot know."""

    at: float
    head: Head


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The session is over: what can no longer be settled is given up and named."""

    at: float


Answer = (
    ModelFetched
    | ModelStored
    | ModelScored
    | ModelForged
    | TransactionSigned
    | TransactionSent
    | ReceiptsRead
    | ClaimSigned
    | ClaimRead
    | RequestFailed
)
Told = Started | TimerFired | ModelReceived | ClaimReceived | ChainRolledBack | SessionClosed
Event = Told | Answer
