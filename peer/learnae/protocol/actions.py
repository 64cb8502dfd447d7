"""What a peer asks its driver to do: imperatives.

Each docstring names the event that answers.  An action with a ``request`` gets that event or ``RequestFailed``, once,
before the driver's own deadline has passed.  The driver starts actions in order and does not wait for one to complete
before it starts the next; the trainer alone does one job at a time.  Actions of optional rules are defined in the
modules that ``rules.py`` names.
"""

from dataclasses import dataclass

from learnae.protocol.blockchain import ReadPayments, ReadPool, Signed, SignPoolCall
from learnae.protocol.decisions import Decision
from learnae.protocol.defence_types import Recipients, SealedKey
from learnae.protocol.events import Announcement
from learnae.protocol.policies import ForgeModel
from learnae.protocol.row_types import PackRows, RowBlock, SignRows
from learnae.protocol.types import Address, Asking, Cid, Claim, ModelRef, PeerId, Poid, Timer, TxHash, Wei


# trainer
@dataclass(frozen=True, slots=True)
class ScoreModel(Asking):
    """Score a fetched model; None: the common initial weights.  Answered by ``ModelScored``.

    It fails if the model predicts nearly the same as one of ``earlier`` ones (``defence.similar``).
    """

    cid: Cid
    model: ModelRef | None
    earlier: tuple[Cid, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainSlice(Asking):
    """Train a copy of the base model on one slice and score it.  Answered by ``ModelScored``.

    Seed, peer and ``slices_trained`` determine the order of the data.  ``step`` is that of the new model.
    ``rows``: a received block to train on in the place of the peer's own slice; it fails if the block is not what the
    session allows, or repeats rows of the peer's own or of ``earlier`` blocks.
    """

    base_cid: Cid
    slice: int
    slices_trained: int
    step: int
    rows: RowBlock | None = None
    earlier: tuple[Cid, ...] = ()


@dataclass(frozen=True, slots=True)
class AverageModels(Asking):
    """Average all parameters of both models with weight 1/2 each, and score.  Answered by ``ModelScored``.

    It fails if the remote model predicts nearly the same as one of ``earlier`` ones.
    """

    base_cid: Cid
    remote: ModelRef
    step: int
    earlier: tuple[Cid, ...] = ()


# store
@dataclass(frozen=True, slots=True)
class FetchModel(Asking):
    """Get the block of a model or of rows; None: of the initial weights.  Answered by ``ModelFetched``.

    ``hints``: multiaddrs.  ``key``: of a sealed model.
    """

    cid: Cid
    model: ModelRef | RowBlock | None
    hints: tuple[str, ...]
    key: SealedKey | None = None

    @property
    def stored_cid(self) -> Cid:
        """Of the block that is in the store."""
        return self.key.cid if self.key else self.cid


@dataclass(frozen=True, slots=True)
class StoreModel(Asking):
    """Make one of the peer's own blocks available to others.  Answered by ``ModelStored``."""

    cid: Cid
    sealed: bool = False  # encrypt it first


# chain and identity
@dataclass(frozen=True, slots=True)
class SignDeployment(Asking):
    """Answered by ``TransactionSigned``.  ``attempt`` > 0 replaces a transaction of the same nonce, at a higher fee."""

    nonce: int
    attempt: int
    poid: Poid


@dataclass(frozen=True, slots=True)
class SignPayment(Asking):
    """Pay several debts to one payee.  ``wei`` is their sum, ``cids`` are their models.

    Answered by ``TransactionSigned``, or by ``RequestFailed(FUNDS)``, which leaves the nonce unspent.
    """

    debts: tuple[int, ...]
    nonce: int
    attempt: int
    to: Address
    wei: Wei
    cids: tuple[Cid, ...]


@dataclass(frozen=True, slots=True)
class SendTransaction(Asking):
    """Idempotent.  Answered by ``TransactionSent``."""

    signed: Signed


@dataclass(frozen=True, slots=True)
class ReadReceipts(Asking):
    """Answered by ``ReceiptsRead``."""

    hashes: tuple[TxHash, ...]


@dataclass(frozen=True, slots=True)
class SignClaim(Asking):
    """Answered by ``ClaimSigned``."""

    session: Cid
    contract: Address
    poid: Poid
    validation: str


@dataclass(frozen=True, slots=True)
class ReadClaim(Asking):
    """Read the contract and check code, receipt and signature.  Answered by ``ClaimRead``."""

    session: Cid
    sender: PeerId
    claim: Claim
    tries: int  # earlier reads that did not find the contract


# without an answer
@dataclass(frozen=True, slots=True)
class Announce:
    """Publish by gossip.  A lost announcement does no harm, because announcements are repeated.

    ``recipients``: those for which the driver seals the model; None: it is open.
    """

    announcement: Announcement
    recipients: Recipients | None = None


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Report ``TimerFired`` after ``delay`` seconds.  Setting a timer that is already set replaces it."""

    timer: Timer
    delay: float


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """Hand a decision to the observers."""

    decision: Decision


TrainerAction = ScoreModel | TrainSlice | AverageModels | ForgeModel | PackRows
StoreAction = FetchModel | StoreModel | SignRows
Signing = SignDeployment | SignPayment | SignPoolCall
ChainAction = Signing | SendTransaction | ReadReceipts | SignClaim | ReadClaim | ReadPayments | ReadPool
Request = TrainerAction | StoreAction | ChainAction
Action = Request | Announce | SetTimer | RecordDecision
