"""What peers decide.  Histories, metrics and checks see these decisions and nothing else of a peer."""

from dataclasses import dataclass
from enum import StrEnum

from learnae.errors import Reason
from learnae.protocol.defence_types import Likeness
from learnae.protocol.row_types import RowsFetched, RowsForwarded, RowsPublished
from learnae.protocol.types import Address, Cid, Parents, PeerId, Poid, Score, TxHash, Wei


class WorkState(StrEnum):
    """States of the work machine (``transitions.WORK``)."""

    EMPTY = "empty"
    IDLE = "idle"
    TRAINING = "training"
    MERGING = "merging"
    DONE = "done"


class IdentityState(StrEnum):
    """States of the identity machine (``transitions.IDENTITY``)."""

    NONE = "none"
    DEPLOYING = "deploying"
    REGISTERED = "registered"


class DebtState(StrEnum):
    """States of a debt (section 3.1).  The last four are terminal."""

    OWED = "owed"  # the creator's claim is not known yet
    PAYABLE = "payable"
    SIGNED = "signed"
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"
    REFUSED = "refused"  # the payee's account reverted the payment
    DECLINED = "declined"  # cap, funds or policy
    UNCLAIMED = "unclaimed"  # the session ended, and the creator has proved no identity

    @property
    def terminal(self) -> bool:
        return self in (DebtState.FINAL, DebtState.REFUSED, DebtState.DECLINED, DebtState.UNCLAIMED)


class Verdict(StrEnum):
    """What the directory decides on a claim."""

    WINNER = "winner"
    LATER = "later"  # another wallet claimed this id earlier, so this claim counts as fraud (section 3.2)
    DUPLICATE = "duplicate"  # an earlier contract has the same id and wallet
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class WorkChanged:
    work: WorkState


@dataclass(frozen=True, slots=True)
class IdentityChanged:
    identity: IdentityState
    contract: Address | None
    tx: TxHash | None


@dataclass(frozen=True, slots=True)
class WorkBegan:
    """The start rule was met.  Fault plans and figures count time from here."""

    identities: int  # admitted claims, the peer's own included
    timed_out: bool


@dataclass(frozen=True, slots=True)
class Adopted:
    """The first model: the common initial weights or, for a profiteer, a random remote model."""

    cid: Cid
    creator: PeerId | None
    score: Score


@dataclass(frozen=True, slots=True)
class Trained:
    slice: int
    step: int
    cid: Cid
    score: Score
    rows: Cid | None = None  # the received block that it trained on; None: its own slice


@dataclass(frozen=True, slots=True)
class TrainingFailed:
    """A slice that gave no model, and is not tried again.  ``rows``: a received block, which may have been refused."""

    slice: int
    reason: Reason
    rows: Cid | None = None


@dataclass(frozen=True, slots=True)
class Averaged:
    """One scored averaging attempt.  ``cid`` is that of the average, which is kept only if ``adopted``.

    A provider scores the remote model itself: ``cid`` is ``remote_cid``, and ``step`` is that of its own last model.
    """

    creator: PeerId
    remote_cid: Cid
    before: Score
    after: Score
    adopted: bool
    cid: Cid
    step: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt that was never scored: the model was rejected before or while it was loaded."""

    creator: PeerId
    remote_cid: Cid
    reason: Reason
    similar: Likeness | None = None  # with the reason SIMILAR: an earlier one


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A model could not be fetched.  It may be fetched later."""

    creator: PeerId
    remote_cid: Cid
    reason: Reason


@dataclass(frozen=True, slots=True)
class ModelLocked:
    """A model was announced that is not sealed for this peer.  A later announcement may have a key for it."""

    creator: PeerId
    remote_cid: Cid


@dataclass(frozen=True, slots=True)
class Published:
    """The model is in the store and has been announced.  ``parents``: of an average, as announced."""

    step: int
    cid: Cid
    parents: Parents | None = None


@dataclass(frozen=True, slots=True)
class StandingChanged:
    """Whether the models of a peer are refused, because it has not paid for ``unpaid`` that it adopted."""

    creator: PeerId
    denied: bool
    unpaid: tuple[Cid, ...]


@dataclass(frozen=True, slots=True)
class BooksClosed:
    """A peer with a cost compared it with payments, and works from now on, or does not.  See ``books.py``.

    ``units``: of work since it closed its books last; 0: it did not work, and the payments are those to others.
    ``models``, ``wei``: what was paid for in the blocks from ``since`` to ``until``, and how much.
    """

    units: int
    since: int
    until: int
    models: int
    wei: Wei
    works: bool


@dataclass(frozen=True, slots=True)
class BooksFailed:
    """The chain did not answer a peer that wanted to close its books.  It tries again later."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class ClaimJudged:
    sender: PeerId
    poid: Poid
    contract: Address
    verdict: Verdict
    reason: Reason | None
    timestamp: int | None
    block: int | None
    index: int | None


@dataclass(frozen=True, slots=True)
class DebtChanged:
    """The whole debt after a change.  ``debt`` counts the payer's debts from 0.

    ``shares``: of a debt for a row block, the number of blocks that share the price of the gain; 0: it is for a model.
    ``part_of``: of a debt for a parent of an adopted average, that average; it has a part of the reward.
    """

    debt: int
    creator: PeerId
    cid: Cid
    before: Score
    after: Score
    wei: Wei
    state: DebtState
    payee: Address | None = None
    nonce: int | None = None
    tx: TxHash | None = None
    block: int | None = None
    reason: str | None = None
    second: int = 0  # of the session when it was priced, rounded down
    shares: int = 0
    part_of: Cid | None = None

    @property
    def for_adopted(self) -> bool:
        """Whether it is for the model that was adopted itself."""
        return not self.shares and self.part_of is None


@dataclass(frozen=True, slots=True)
class PluginFailed:
    """A plug-in raised, or returned what it must not.  ``line``: of its file; 0: unknown."""

    plugin: str
    line: int
    error: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The peer noticed that the chain rolled back."""

    height: int
    rechecked: int  # transactions and claims it checks again


@dataclass(frozen=True, slots=True)
class ChainEntered:
    """The peer uses this chain from now on: its first one, or one that replaced the chain before."""

    genesis: str


Decision = (
    WorkChanged
    | IdentityChanged
    | WorkBegan
    | Adopted
    | Trained
    | TrainingFailed
    | RowsPublished
    | RowsFetched
    | RowsForwarded
    | Averaged
    | AttemptFailed
    | FetchFailed
    | ModelLocked
    | Published
    | StandingChanged
    | BooksClosed
    | BooksFailed
    | ClaimJudged
    | DebtChanged
    | PluginFailed
    | RolledBack
    | ChainEntered
)
