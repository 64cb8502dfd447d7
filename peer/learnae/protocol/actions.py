"""What a peer can ask for: imperatives.  A docstring names the answering event, or "never answered".

Whatever has a ``request`` is answered once, by that event or by ``RequestFailed``, at the latest when the driver's own
deadline for the target has passed.  Actions for one target are started in order; completion is not awaited, but the
trainer does one job at a time.
"""

from dataclasses import dataclass

from learnae.protocol.decisions import Decision
from learnae.protocol.types import (
    Address,
    Announcement,
    Cid,
    Claim,
    Forgery,
    ModelRef,
    PeerId,
    Poid,
    Signed,
    Timer,
    TxHash,
    Wei,
)


# trainer
@dataclass(frozen=True, slots=True)
class ScoreModel:
    """Score a fetched model on the peer's own validation rows.  Answered by ``ModelScored``.

    ``model`` is None for the session's common initial weights.
    """

    request: int
    cid: Cid
    model: ModelRef | None


@dataclass(frozen=True, slots=True)
class TrainSlice:
    """Train a copy of ``base`` on one slice and score it.  Answered by ``ModelScored``.

    ``visit`` counts trained slices from 0; with the seed and the peer it fixes the training dice.
    ``step`` goes into the new block's metadata.
    """

    request: int
    base_cid: Cid
    slice: int
    slices_trained: int
    step: int


@dataclass(frozen=True, slots=True)
class AverageModels:
    """Average all parameters of ``base`` and of the remote model, 1/2 each, and score.  Answered by ``ModelScored``."""

    request: int
    base_cid: Cid
    remote: ModelRef
    step: int


@dataclass(frozen=True, slots=True)
class ForgeModel:
    """A cheat's work.  ``source`` is None for random weights.  Answered by ``ModelForged``."""

    request: int
    forgery: Forgery
    source: ModelRef | None
    step: int


# store
@dataclass(frozen=True, slots=True)
class FetchModel:
    """Get a block; ``hints`` are multiaddrs of its publisher.  Answered by ``ModelFetched``."""

    request: int
    cid: Cid
    creator: PeerId | None
    hints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoreModel:
    """Make a block of ours available to others.  Answered by ``ModelStored``."""

    request: int
    cid: Cid


# gossip
@dataclass(frozen=True, slots=True)
class Announce:
    """Never answered: announcements are repeated."""

    announcement: Announcement


# chain and identity
@dataclass(frozen=True, slots=True)
class SignDeployment:
    """Answered by ``TransactionSigned``.  ``attempt`` > 0: a replacement of the same nonce with a higher fee."""

    request: int
    nonce: int
    attempt: int
    poid: Poid


@dataclass(frozen=True, slots=True)
class SignPayment:
    """Answered by ``TransactionSigned``, or ``RequestFailed(FUNDS)`` with the nonce unspent."""

    request: int
    debt: int
    nonce: int
    attempt: int
    to: Address
    wei: Wei
    cid: Cid


@dataclass(frozen=True, slots=True)
class SendTransaction:
    """Idempotent.  Answered by ``TransactionSent``."""

    request: int
    signed: Signed


@dataclass(frozen=True, slots=True)
class ReadReceipts:
    """Answered by ``ReceiptsRead``."""

    request: int
    hashes: tuple[TxHash, ...]


@dataclass(frozen=True, slots=True)
class SignClaim:
    """Answered by ``ClaimSigned``."""

    request: int
    session: Cid
    contract: Address
    poid: Poid


@dataclass(frozen=True, slots=True)
class ReadClaim:
    """Read the contract and check code, receipt and signature.  Answered by ``ClaimRead``."""

    request: int
    session: Cid
    sender: PeerId
    claim: Claim
    tries: int  # how often it was not found before


# driver
@dataclass(frozen=True, slots=True)
class SetTimer:
    """Answered by ``TimerFired`` after ``delay`` seconds, unless set again before."""

    timer: Timer
    delay: float


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """Tell the observers.  Never answered."""

    decision: Decision


TrainerAction = ScoreModel | TrainSlice | AverageModels | ForgeModel
StoreAction = FetchModel | StoreModel
ChainAction = SignDeployment | SignPayment | SendTransaction | ReadReceipts | SignClaim | ReadClaim
Request = TrainerAction | StoreAction | ChainAction
Action = Request | Announce | SetTimer | RecordDecision
