"""Requests and responses of the API.  Wei are decimal strings, because JavaScript rounds integers above 2^53."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from learnae.protocol.decisions import ClaimJudged, DebtChanged, DebtState, IdentityState, Verdict, WorkState
from learnae.protocol.policies import Policy, Role
from learnae.protocol.rest import Rest
from learnae.protocol.types import ETHER, Score
from learnae.session.settings import Group


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class Money(View):
    """An amount, exact in wei and rounded in ETH."""

    wei: str = Field(pattern=r"^\d+$", examples=["2834000000000000"])
    eth: float = Field(examples=[0.002834])

    @staticmethod
    def of(wei: int) -> "Money":
        return Money(wei=str(wei), eth=wei / ETHER)


class ScoreView(View):
    """Rows classified correctly out of rows scored, or another score (``score.metric``) as a fraction."""

    correct: int = Field(ge=0, examples=[812])
    total: int = Field(gt=0, examples=[1000])
    accuracy: float = Field(ge=0, le=1, description="correct / total, by the session's metric", examples=[0.812])

    @staticmethod
    def of(score: Score) -> "ScoreView":
        return ScoreView(correct=score.correct, total=score.total, accuracy=score.accuracy)


class RoleView(View):
    """The role of the peer."""

    has_rows: bool
    computes: bool
    role: Role
    wants_payment: bool
    policy: Policy

    @staticmethod
    def of(group: Group) -> "RoleView":
        return RoleView(
            has_rows=group.has_rows,
            computes=group.computes,
            role=group.role,
            wants_payment=group.wants_payment,
            policy=group.policy,
        )


class Slices(View):
    done: int = Field(ge=0, examples=[4])
    planned: int = Field(ge=0, examples=[10])


class Attempts(View):
    """Averaging attempts.  ``scored`` ones were adopted or dropped; ``failed`` ones were never scored."""

    scored: int = Field(ge=0, examples=[12])
    adopted: int = Field(ge=0, examples=[5])
    failed: int = Field(ge=0, examples=[0])
    success_rate: float | None = Field(None, ge=0, le=1, description="adopted / scored", examples=[0.4167])


class Status(View):
    """The state of a peer.  Values that are not known yet are null."""

    name: str = Field(examples=["p07"])
    peer: str = Field(description="IPFS id", examples=["12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"])
    wallet: str = Field(examples=["0x90f8bf6a479f320ead074411a4b0e7944ea8c9c1"])
    payout: str | None = Field(None, description="wallet that others pay, if it is not this one")
    role: RoleView
    state: Literal["starting", "running", "over"] = Field(
        description="`starting`: no model and no history yet; `over`: it has left the session"
    )
    paused: bool = Field(description="no slices or attempts are computed; payments and announcements continue")
    session: str | None = Field(None, description="CID of the session's manifest")
    seconds: float = Field(description="session time", examples=[41.7])
    work: WorkState
    identity: IdentityState
    contract: str | None = Field(None, description="address of its DPoID contract")
    validation: str | None = Field(None, description="digest of its commitment to the rows that it scores models on")
    slices: Slices
    attempts: Attempts
    accuracy_validation: ScoreView | None = Field(None, description="score of its model on its own validation data")
    accuracy_test: ScoreView | None = Field(
        None, description="score on test data, if the session's host measures it; a single peer cannot"
    )
    balance: Money | None = Field(None, description="last known balance of its wallet")
    peers_known: int = Field(ge=0, examples=[19])
    debts: dict[DebtState, int] = Field(description="number of debts by state")
    dropped: dict[str, int] = Field(description="number of dropped messages by reason", examples=[{"repeat": 17}])
    queue: int = Field(ge=0, description="events waiting to be handled")


class RestView(View):
    """A peer at rest acts again only after an announcement that it has not received.  Lists are empty before."""

    at_rest: bool
    announced: list[str] = Field(
        description="its newest announcements: its id and the step of a model, or the deployment of its contract",
        examples=[["12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp 9"]],
    )
    received: list[str] = Field(description="the newest announcements of others that it has received, likewise")
    rows_announced: list[str] = Field(description="the CIDs of its row blocks")
    rows_received: list[str] | None = Field(description="those that it knows; null if it ignores further ones")
    sealed_for: list[str] = Field(description="its id with that of each peer for which its newest model is sealed")
    locked: list[str] = Field(description="ids of others whose newest model is not sealed for it, each with its own id")

    @staticmethod
    def of(rest: Rest | None) -> "RestView":
        report = rest or Rest(frozenset(), frozenset())
        lists = ("announced", "received", "rows_announced", "sealed_for", "locked")
        return RestView(
            at_rest=rest is not None,
            rows_received=None if report.rows_received is None else sorted(report.rows_received),
            **{name: sorted(getattr(report, name)) for name in lists},
        )


class ModelView(View):
    """The current model.  ``creator``: the peer itself, another peer (no data yet), or null for the initial weights."""

    cid: str = Field(examples=["bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"])
    digest: str = Field(description="hash of its tensors alone", examples=["0f343b0931126a20f133d67c2b018a3b"])
    step: int = Field(ge=0, description="number of models that the peer published", examples=[9])
    creator: str | None = None
    score: ScoreView
    widths: list[int] = Field(
        description="number of inputs, units of hidden layers, classes (1: a number)", examples=[[28, 64, 64, 2]]
    )
    size: int = Field(gt=0, description="size of its block, bytes", examples=[25960])


class DirectoryEntryView(View):
    """An announced contract and the peer's verdict on it (section 3.2)."""

    sender: str = Field(description="peer that announced it, verified by gossip")
    peer: str = Field(description="IPFS id that it claims")
    wallet: str
    contract: str
    verdict: Verdict
    reason: str | None = Field(None, description="reason of a rejection")
    timestamp: int | None = Field(None, description="timestamp of the contract, Unix seconds of chain time")
    block: int | None = None
    index: int | None = Field(None, description="index of the deployment in its block")

    @staticmethod
    def of(judged: ClaimJudged) -> "DirectoryEntryView":
        return DirectoryEntryView(
            sender=judged.sender,
            peer=judged.poid.peer,
            wallet=judged.poid.wallet,
            contract=judged.contract,
            verdict=judged.verdict,
            reason=judged.reason,
            timestamp=judged.timestamp,
            block=judged.block,
            index=judged.index,
        )


class ReceiptView(View):
    """A debt and its state.  Payments that are known only from the chain have no scores."""

    payer: str | None = Field(None, description="IPFS id of the payer, if known")
    payer_wallet: str
    payee: str = Field(description="IPFS id of the creator of the model or rows")
    payee_wallet: str | None = None
    cid: str = Field(description="CID of the model or row block that is paid for")
    further_cids: tuple[str, ...] = Field(default=(), description="others of the payment, if only their sum is known")
    for_rows: bool = Field(default=False, description="whether it is for a row block, as far as the payer is known")
    part_of: str | None = Field(default=None, description="CID of the adopted model, if it is for a parent of that")
    before: ScoreView | None = None
    after: ScoreView | None = None
    wei: str = Field(pattern=r"^\d+$", examples=["2834000000000000"])
    eth: float = Field(examples=[0.002834])
    state: DebtState
    nonce: int | None = None
    tx: str | None = None
    block: int | None = None
    reason: str | None = None

    @staticmethod
    def of(debt: DebtChanged, payer: str | None, wallet: str) -> "ReceiptView":
        """As recorded by the payer; ``wallet`` is the payer's."""
        return ReceiptView(
            payer=payer,
            payer_wallet=wallet,
            payee=debt.creator,
            payee_wallet=debt.payee,
            cid=debt.cid,
            for_rows=debt.shares > 0,
            part_of=debt.part_of,
            before=ScoreView.of(debt.before),
            after=ScoreView.of(debt.after),
            wei=str(debt.wei),
            eth=debt.wei / ETHER,
            state=debt.state,
            nonce=debt.nonce,
            tx=debt.tx,
            block=debt.block,
            reason=debt.reason,
        )


class Numbered(BaseModel):
    """A record of the history.  Further fields depend on ``kind``."""

    model_config = ConfigDict(extra="allow")

    number: int = Field(ge=0)
    t: float = Field(description="session seconds")
    peer: str
    kind: str = Field(examples=["Trained"])


class HistoryPage(View):
    records: list[Numbered]
    next: int | None = Field(None, description="value of `after` for the next page; null if this is the last so far")
    total: int = Field(ge=0)


class Health(View):
    """``kubo`` and ``chain``: whether they answered the last call; null if they were never called."""

    name: str
    ready: bool = Field(description="the peer has started or resumed its session")
    kubo: bool | None = None
    chain: bool | None = None


class CommandAccepted(View):
    """The state after a command."""

    name: str
    paused: bool
    state: Literal["starting", "running", "over"]


class Problem(View):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Service Unavailable"])
    status: int = Field(examples=[503])
    detail: str = Field(examples=["p07 is starting and has no model yet"])
    errors: list[dict[str, Any]] | None = Field(None, description="invalid fields of the request")
