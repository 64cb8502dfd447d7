"""What a driver reports to a peer: facts in the past tense.

``at`` is in session seconds and never decreases.  ``request`` is the id of the answered action; answers to a request
that is no longer open are ignored.
"""

from dataclasses import dataclass

from learnae.errors import Reason
from learnae.protocol.blockchain import Head, PaymentReport, PoolState, Receipt, Signed
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.types import (
    Cid,
    Claim,
    ClaimFacts,
    Likeness,
    ModelAnnouncement,
    PeerId,
    RowsAnnouncement,
    Score,
    Timer,
    Weights,
)


@dataclass(frozen=True, slots=True)
class _Timed:
    at: float


@dataclass(frozen=True, slots=True)
class _Answering(_Timed):
    request: int


@dataclass(frozen=True, slots=True)
class Started(_Timed):
    """The first event of a journal.  A peer that restarts replays it and does not get it again."""


@dataclass(frozen=True, slots=True)
class TimerFired(_Timed):
    timer: Timer


@dataclass(frozen=True, slots=True)
class ModelReceived(_Timed):
    """A model announcement that passed ``Peer.screen``."""

    announcement: ModelAnnouncement


@dataclass(frozen=True, slots=True)
class RowsReceived(_Timed):
    """An announced row block that passed ``Peer.screen``.  The driver has verified the signature of its creator."""

    sender: PeerId
    announcement: RowsAnnouncement


@dataclass(frozen=True, slots=True)
class ClaimReceived(_Timed):
    """An identity announcement that passed ``Peer.screen``.  Gossip has verified ``sender``."""

    sender: PeerId
    claim: Claim
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChainRolledBack(_Timed):
    """The chain's height or hash regressed, its genesis changed, or the driver did not watch it for a while."""

    head: Head


@dataclass(frozen=True, slots=True)
class SessionClosed(_Timed):
    """The session is over.  The peer gives up what can no longer be settled, and records it."""


@dataclass(frozen=True, slots=True)
class ModelFetched(_Answering):
    """The driver has the block."""


@dataclass(frozen=True, slots=True)
class ModelStored(_Answering):
    """Other peers can fetch the block."""


@dataclass(frozen=True, slots=True)
class ModelScored(_Answering):
    """Answers ``ScoreModel``, ``TrainSlice`` and ``AverageModels``.  The driver keeps the block of ``weights``."""

    weights: Weights
    score: Score


@dataclass(frozen=True, slots=True)
class ModelScoredDespite(ModelScored):
    """As ``ModelScored``, but a plug-in failed in the trainer: a rule counts as the mean, a metric as 0.

    ``line``: of its file; 0: unknown.
    """

    plugin: str
    line: int
    error: str


@dataclass(frozen=True, slots=True)
class ModelForged(_Answering):
    weights: Weights


@dataclass(frozen=True, slots=True)
class RowsPacked(_Answering):
    """The driver keeps the block."""

    cid: Cid


@dataclass(frozen=True, slots=True)
class RowsSigned(_Answering):
    signature: str


@dataclass(frozen=True, slots=True)
class TransactionSigned(_Answering):
    signed: Signed


@dataclass(frozen=True, slots=True)
class TransactionSent(_Answering):
    """The node accepted the transaction or already had it.  It may never be mined."""


@dataclass(frozen=True, slots=True)
class ReceiptsRead(_Answering):
    """One receipt for each hash of the request, in its order; None where the transaction is not mined."""

    head: Head
    receipts: tuple[Receipt | None, ...]


@dataclass(frozen=True, slots=True)
class ClaimSigned(_Answering):
    signature: str
    sealing_key: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRead(_Answering):
    facts: ClaimFacts


@dataclass(frozen=True, slots=True)
class PaymentsRead(_Answering):
    report: PaymentReport


@dataclass(frozen=True, slots=True)
class PoolRead(_Answering):
    """``head``: the newest block at the time."""

    head: Head
    state: PoolState


@dataclass(frozen=True, slots=True)
class RequestFailed(_Answering):
    """Any request may fail; a peer survives every failure."""

    reason: Reason
    plugin: PluginFailed | None = None  # with the reason PLUGIN
    similar: Likeness | None = None  # with the reason SIMILAR


Notification = Started | TimerFired | ModelReceived | RowsReceived | ClaimReceived | ChainRolledBack | SessionClosed
ModelAnswer = ModelFetched | ModelStored | ModelScored | ModelScoredDespite | ModelForged | RowsPacked | RowsSigned
ChainAnswer = TransactionSigned | TransactionSent | ReceiptsRead | ClaimSigned | ClaimRead | PaymentsRead | PoolRead
Answer = ModelAnswer | ChainAnswer | RequestFailed
Event = Notification | Answer
