"""The log of a session: each recorded fact as a sentence."""

from collections.abc import Mapping

from learnae.errors import Reason
from learnae.plugins import place
from learnae.protocol.decisions import (
    Adopted,
    AttemptFailed,
    Averaged,
    BooksClosed,
    BooksFailed,
    ClaimJudged,
    DebtChanged,
    DebtState,
    FetchFailed,
    IdentityChanged,
    IdentityState,
    ModelLocked,
    PluginFailed,
    RolledBack,
    StandingChanged,
    Trained,
    TrainingFailed,
    Verdict,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.protocol.row_types import RowsFetched, RowsPublished
from learnae.protocol.types import ETHER, PeerId, Score
from learnae.records.history import (
    Effect,
    Evaluated,
    Fact,
    FaultBegan,
    FaultEnded,
    PeerCrashed,
    PeerRestarted,
    ReadingsDamaged,
    SessionBegan,
    SessionEnded,
)
from learnae.session.sensor_rules import members_text
from learnae.web.session_text import end_reason

Names = Mapping[PeerId, str]

ID_LETTERS = 12  # letters shown of an id that is not in the roster


def describe(fact: Fact, names: Names) -> str | None:
    """The sentence without its subject, the peer, which the log shows in front; None for intermediate steps."""
    match fact:
        case SessionBegan(backend=backend, session=session):
            return f"Session started: {members_text(session)}, backend {backend}."
        case FaultBegan(fault=kind, targets=targets):
            return f"Fault started: {kind.value}" + (f" of {', '.join(targets)}." if targets else ".")
        case FaultEnded(effect=effect):
            return "Fault ended." if effect is Effect.APPLIED else "Fault ended without effect: it blocked nothing."
        case SessionEnded(ended_by=ended_by):
            return f"Session ended: {end_reason(ended_by)}."
        case IdentityChanged(identity=IdentityState.REGISTERED):
            return "registered its identity: its DPoID contract is deployed"
        case WorkBegan(identities=known, timed_out=timed_out):
            return f"starts work, knows {known} identities" + (" (start timeout reached)" if timed_out else "")
        case Adopted(creator=creator, score=score):
            model = "the common initial weights" if creator is None else f"the model of {display_name(creator, names)}"
            return f"starts from {model} at {accuracy_text(score)}"
        case RowsPublished(number=number):
            return f"published row block {number}"
        case RowsFetched(creator=creator):
            return f"fetched a row block of {display_name(creator, names)}"
        case Trained(slice=number, score=score, rows=str()):
            return f"trained on a received row block, number {number} of its creator: {accuracy_text(score)}"
        case TrainingFailed(slice=number, reason=reason, rows=str()):
            return f"refused a received row block, number {number} of its creator: {reason}"
        case Trained(slice=number, score=score):
            return f"trained slice {number}: {accuracy_text(score)}"
        case TrainingFailed(slice=number, reason=Reason.NOT_FINITE):
            return f"lost slice {number}: the training diverged; lower model.learning_rate"
        case TrainingFailed(slice=number, reason=reason):
            return f"lost slice {number}: {reason}"
        case Averaged(creator=creator, before=before, after=after, adopted=adopted):
            scores = f"{accuracy_text(before)} → {accuracy_text(after)}"
            return f"averaged with {display_name(creator, names)}: {scores}, {'kept' if adopted else 'dropped'}"
        case AttemptFailed(creator=creator, reason=reason, similar=similar):
            equal = f" ({similar.equal.correct} of {similar.equal.total} predictions are equal)" if similar else ""
            return f"could not average with {display_name(creator, names)}: {reason}{equal}"
        case FetchFailed(creator=creator, reason=reason):
            return f"could not fetch from {display_name(creator, names)}: {reason}"
        case ModelLocked(creator=creator):
            return f"cannot read a model of {display_name(creator, names)}, which has not sealed it for this peer"
        case StandingChanged(creator=creator, denied=denied, unpaid=unpaid):
            if not denied:
                return f"averages with models of {display_name(creator, names)} again"
            return f"denies income to {display_name(creator, names)}: {len(unpaid)} of its adoptions are unpaid"
        case BooksClosed():
            return _describe_books(fact)
        case BooksFailed(reason=reason):
            return f"could not read what was paid: {reason}"
        case DebtChanged():
            return _describe_debt(fact, names)
        case PluginFailed(plugin=plugin, line=line, error=error):
            return f"uses {place(plugin, line)}, which failed: {error}"
        case Evaluated(failed=PluginFailed(plugin=plugin, line=line, error=error)):
            return f"is tested by {place(plugin, line)}, which failed: {error}"
        case ClaimJudged(sender=sender, verdict=Verdict.LATER | Verdict.REJECTED as verdict, reason=reason):
            why = "another wallet claimed the id earlier" if verdict is Verdict.LATER else reason or "no reason given"
            return f"rejects the claim of {display_name(sender, names)}: {why}"
        case WorkChanged(work=WorkState.DONE):
            return "finished its work"
        case RolledBack(height=height, rechecked=count):
            return f"saw a chain rollback to block {height}; rechecks {count} transactions and claims"
        case ReadingsDamaged():
            return "damaged the file of its readings: what it publishes from now on is not recorded"
        case PeerCrashed():
            return "crashed"
        case PeerRestarted():
            return "restarted"
    return None


def display_name(peer: PeerId, names: Names) -> str:
    return names.get(peer) or f"{peer[:ID_LETTERS]}\N{HORIZONTAL ELLIPSIS}"


def accuracy_text(score: Score) -> str:
    return f"{score.accuracy:.1%}"


def _describe_books(books: BooksClosed) -> str | None:
    ether = f"{books.wei / ETHER:.6f} ETH"
    if not books.units:
        price = f"others get {ether} for {books.models} models"
        return f"returns to work: {price}" if books.works else None
    return None if books.works else f"leaves: {books.units} units of work brought {ether}, which is below their cost"


def _describe_debt(debt: DebtChanged, names: Names) -> str | None:
    purpose = " for rows" if debt.shares else " for a parent of the model" if debt.part_of else ""
    creator, ether = display_name(debt.creator, names), f"{debt.wei / ETHER:.6f} ETH{purpose}"
    match debt.state:
        case DebtState.OWED:
            return f"owes {creator} {ether}"
        case DebtState.FINAL:
            return f"paid {creator} {ether}"
        case DebtState.REFUSED | DebtState.DECLINED | DebtState.UNCLAIMED:
            return f"does not pay {creator} {ether} ({debt.state}: {debt.reason or 'no reason given'})"
    return None
