"""What a driver reports to a peer: facts in the past tense, and what other peers announce.

``at`` is in session seconds and never decreases.  ``request`` is the id of the answered action; answers to a request
that is no longer open are ignored.  Events of optional rules are defined in the modules that ``rules.py`` names.
"""

from dataclasses import dataclass

from learnae.errors import Reason
from learnae.protocol.blockchain import Head, PaymentsRead, PoolRead, Receipt, Signed
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.defence_types import Likeness, Sealing
from learnae.protocol.policies import ModelForged
from learnae.protocol.row_types import RowsAnnouncement, RowsPacked, RowsReceived, RowsSigned
from learnae.protocol.types import Answering, Cid, Claim, ClaimFacts, ModelRef, PeerId, Score, Timed, Timer, Weights


@dataclass(frozen=True, slots=True)
class IdentityAnnouncement:
    session: Cid
    claim: Claim
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelAnnouncement:
    session: Cid
    model: ModelRef
    addresses: tuple[str, ...] = ()
    sealing: Sealing | None = None


Announcement = IdentityAnnouncement | ModelAnnouncement | RowsAnnouncement  # the adapter fills in addresses


@dataclass(frozen=True, slots=True)
class Started(Timed):
    """The first event of a journal.  A peer that restarts replays it and does not get it again."""


@dataclass(frozen=True, slots=True)
class TimerFired(Timed):
    timer: Timer


@dataclass(frozen=True, slots=True)
class ModelReceived(Timed):
    """A model announcement that passed ``Peer.screen``."""

    announcement: ModelAnnouncement


@dataclass(frozen=True, slots=True)
class ClaimReceived(Timed):
    """An identity announcement that passed ``Peer.screen``.  Gossip has verified ``sender``."""

    sender: PeerId
    claim: Claim
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChainRolledBack(Timed):
    """The chain's height or hash regressed, its genesis changed, or the driver did not watch it for a while."""

    head: Head


@dataclass(frozen=True, slots=True)
class SessionClosed(Timed):
    """The session is over.  The peer gives up what can no longer be settled, and records it."""


@dataclass(frozen=True, slots=True)
class ModelFetched(Answering):
    """The driver has the block."""


@dataclass(frozen=True, slots=True)
class ModelStored(Answering):
    """Other peers can fetch the block."""


@dataclass(frozen=True, slots=True)
class ModelScored(Answering):
    """Answers ``ScoreModel``, ``TrainSlice`` and ``AverageModels``.  The driver keeps the block of ``weights``.

    ``plugin``: failed in the trainer, so that an averaging rule counts as the mean, and a metric as 0.
    """

    weights: Weights
    score: Score
    plugin: PluginFailed | None = None


@dataclass(frozen=True, slots=True)
class TransactionSigned(Answering):
    signed: Signed


@dataclass(frozen=True, slots=True)
class TransactionSent(Answering):
    """The node accepted the transaction or already had it.  It may never be mined."""


@dataclass(frozen=True, slots=True)
class ReceiptsRead(Answering):
    """One receipt for each hash of the request, in its order; None where the transaction is not mined."""

    head: Head
    receipts: tuple[Receipt | None, ...]


@dataclass(frozen=True, slots=True)
class ClaimSigned(Answering):
    signature: str
    sealing_key: str = ""


@dataclass(frozen=True, slots=True)
class ClaimRead(Answering):
    facts: ClaimFacts


@dataclass(frozen=True, slots=True)
class RequestFailed(Answering):
    """Any request may fail; a peer survives every failure."""

    reason: Reason
    plugin: PluginFailed | None = None  # with the reason PLUGIN
    similar: Likeness | None = None  # with the reason SIMILAR


Notification = Started | TimerFired | ModelReceived | RowsReceived | ClaimReceived | ChainRolledBack | SessionClosed
ModelAnswer = ModelFetched | ModelStored | ModelScored | ModelForged | RowsPacked | RowsSigned
ChainAnswer = TransactionSigned | TransactionSent | ReceiptsRead | ClaimSigned | ClaimRead | PaymentsRead | PoolRead
Answer = ModelAnswer | ChainAnswer | RequestFailed
Event = Notification | Answer
