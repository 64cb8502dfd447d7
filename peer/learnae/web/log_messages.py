"""What happened, in sentences: the log of a session as a person would tell it."""

from collections.abc import Mapping

from learnae.protocol.decisions import (
    Adopted,
    AttemptFailed,
    Averaged,
    ClaimJudged,
    DebtChanged,
    DebtState,
    IdentityChanged,
    IdentityState,
    RolledBack,
    Trained,
    Verdict,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.protocol.types import ETHER, PeerId, Score
from learnae.records.history import (
    Effect,
    Fact,
    FaultBegan,
    FaultEnded,
    PeerCrashed,
    PeerRestarted,
    SessionBegan,
    SessionEnded,
)
from learnae.records.outcome import EndedBy

Names = Mapping[PeerId, str]

SHORT = 12  # letters of an id that is nobody's in the roster
ENDINGS: dict[str, str] = {
    EndedBy.QUIET: "all peers had finished and every debt was settled",
    EndedBy.MAX_DURATION: "the session's longest duration was over",
    EndedBy.INTERRUPTED: "it was interrupted",
}


def end_reason(by: str | None) -> str:
    return ENDINGS.get(by or "", "nobody knows why")


def describe(fact: Fact, names: Names) -> str | None:
    """Without the peer it is about, who stands beside it.  None: a step between two that are told."""
    match fact:
        case SessionBegan(backend=backend, roster=roster):
            return f"The session begins: {len(roster)} peers, backend {backend}."
        case FaultBegan(fault=kind, targets=targets):
            return f"A fault begins: {kind.value}" + (f", {', '.join(targets)}." if targets else ".")
        case FaultEnded(effect=effect):
            return "A fault is healed" + ("." if effect is Effect.APPLIED else "; it held nothing up.")
        case SessionEnded(ended_by=by):
            return f"The session ended because {end_reason(by)}."
        case IdentityChanged(identity=IdentityState.REGISTERED):
            return "registered its identity: its DPoID contract is deployed"
        case WorkBegan(identities=heard, timed_out=late):
            return f"begins, {heard} identities heard" + (" and no more awaited" if late else "")
        case Adopted(creator=creator, score=score):
            whose = "the common weights" if creator is None else f"the model of {display_name(creator, names)}"
            return f"starts from {whose} at {accuracy_text(score)}"
        case Trained(slice=number, score=score):
            return f"trained on slice {number}: {accuracy_text(score)}"
        case Averaged(creator=creator, before=before, after=after, adopted=adopted):
            outcome = "keeps the average" if adopted else "drops the average"
            return f"averaged with {display_name(creator, names)}, {accuracy_text(before)} → {accuracy_text(after)}: {outcome}"
        case AttemptFailed(creator=creator, reason=reason):
            return f"could not average with {display_name(creator, names)}: {reason}"
        case DebtChanged():
            return _describe_debt(fact, names)
        case ClaimJudged(sender=sender, verdict=Verdict.LATER | Verdict.REJECTED as verdict, reason=reason):
            why = "another wallet came first" if verdict is Verdict.LATER else reason or "no reason given"
            return f"refuses the claim of {display_name(sender, names)}: {why}"
        case WorkChanged(work=WorkState.DONE):
            return "is done"
        case RolledBack(height=height, rechecked=count):
            return f"saw the chain go back to block {height} and checks {count} transactions and claims again"
        case PeerCrashed():
            return "crashed"
        case PeerRestarted():
            return "is back"
    return None


def display_name(peer: PeerId, names: Names) -> str:
    return names.get(peer) or f"{peer[:SHORT]}\N{HORIZONTAL ELLIPSIS}"


def format_time(seconds: float) -> str:
    """Session time, to the tenth of a second while that is short; it does not break."""
    minutes, rest = divmod(seconds, 60)
    told = f"{minutes:.0f} min {int(rest):02} s" if minutes else f"{rest:.1f} s"
    return told.replace(" ", "\N{NO-BREAK SPACE}")


def accuracy_text(score: Score) -> str:
    return f"{score.accuracy:.1%}"


def _describe_debt(debt: DebtChanged, names: Names) -> str | None:
    creator, ether = display_name(debt.creator, names), f"{debt.wei / ETHER:.6f} ETH"
    match debt.state:
        case DebtState.OWED:
            return f"owes {creator} {ether}"
        case DebtState.FINAL:
            return f"paid {creator} {ether}"
        case DebtState.REFUSED | DebtState.DECLINED | DebtState.UNCLAIMED:
            return f"does not pay {creator} {ether}, {debt.state}: {debt.reason or 'no reason given'}"
    return None
