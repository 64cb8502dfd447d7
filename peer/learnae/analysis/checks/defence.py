"""Checks of ``[defence]``: averages name their parents, and income is denied only to peers that owe it."""

from collections.abc import Iterator
from fractions import Fraction

from learnae.analysis.checks.records import FORGING
from learnae.analysis.checks.result import check, exact_accuracy, session_began
from learnae.errors import Reason
from learnae.protocol.decisions import (
    Adopted,
    AttemptFailed,
    Averaged,
    ChainEntered,
    ClaimJudged,
    DebtChanged,
    DebtState,
    Published,
    RolledBack,
    StandingChanged,
    Trained,
    Verdict,
    WorkChanged,
    WorkState,
)
from learnae.protocol.defence_types import Likeness
from learnae.protocol.policies import Policy
from learnae.protocol.settings import Defence, IdentityRule
from learnae.protocol.types import Cid, Parents, PeerId
from learnae.records.history import History, PeerCrashed

READ = 10.0  # s that reading the chain up to its head may take
NAMES_PARENTS = (Policy.HONEST, Policy.REFUSES_TO_PAY, Policy.HIJACKER, Policy.UNDER_REPORTER)


@check
def announced_parents_are_true(history: History) -> Iterator[str]:
    """A published average names the model that its creator had and the remote one; a trained model names none."""
    honest = {entry.name for entry in session_began(history).roster if entry.policy in NAMES_PARENTS}
    current: dict[str, tuple[Cid, PeerId]] = {}
    parents: dict[tuple[str, Cid], Parents] = {}
    for record in history.of(Adopted, Trained, Averaged, Published):
        own = history.roster[record.peer].peer
        match record.fact:
            case Averaged(adopted=True, cid=cid, remote_cid=remote, creator=creator):
                if record.peer in current:
                    base, base_creator = current[record.peer]
                    parents[record.peer, cid] = Parents((base, remote), (base_creator, creator))
                current[record.peer] = (cid, own)
            case Adopted(cid=cid, creator=source):
                current[record.peer] = (cid, source or own)
            case Trained(cid=cid):
                current[record.peer] = (cid, own)
            case Published(cid=cid, parents=named) if record.peer in honest:
                if named != parents.get((record.peer, cid)):
                    yield f"{record.peer} announced {cid} with the parents {named}"


@check
def denials_are_deserved(history: History) -> Iterator[str]:
    """Who is denied income had adopted more models than are tolerated, and its debts for them were not final then."""
    session = session_began(history).session
    names = {entry.peer: name for name, entry in history.roster.items()}
    adopted: set[tuple[str, Cid]] = set()
    for record in history.of(Averaged, StandingChanged):
        fact = record.fact
        if isinstance(fact, Averaged) and fact.adopted:
            adopted.add((record.peer, fact.remote_cid))
        elif isinstance(fact, StandingChanged) and fact.denied:
            name = names.get(fact.creator, fact.creator)
            if session.defence.kind is not Defence.RECIPROCITY or len(fact.unpaid) <= session.defence.limit:
                yield f"{record.peer} denied income to {name} for {len(fact.unpaid)} models"
            for cid in fact.unpaid:
                if (name, cid) not in adopted:
                    yield f"{record.peer} denied income to {name} for {cid}, which it had not adopted"
    if session.identity is IdentityRule.PROVEN:  # or who pays may have another wallet than the one that was judged
        yield from _denied_payers(history, names)


def _denied_payers(history: History, names: dict[PeerId, str]) -> Iterator[str]:
    """Denials for what had been paid before the chain was read."""
    final: dict[tuple[str, Cid], float] = {}  # payer and model -> when the debt became final
    for record in history.of(DebtChanged, ChainEntered, RolledBack, PeerCrashed, StandingChanged):
        match record.fact:
            case DebtChanged(cid=cid, state=DebtState.FINAL):
                final[record.peer, cid] = record.t
            case DebtChanged(cid=cid):
                final.pop((record.peer, cid), None)
            case ChainEntered() | PeerCrashed():  # it is final on another chain, or the payer may miss a rollback
                final = {key: at for key, at in final.items() if key[0] != record.peer}
            case RolledBack():  # payers notice a moment earlier or later
                final = dict.fromkeys(final, record.t)
            case StandingChanged(creator=creator, denied=True, unpaid=unpaid):
                name = names.get(creator, creator)
                for cid in unpaid:
                    if final.get((name, cid), record.t) < record.t - READ:
                        yield f"{record.peer} denied income to {name} for {cid}, which it had paid for"


@check
def refused_models_are_similar(history: History) -> Iterator[str]:
    """Who refuses a model as similar names one of another creator, which it had verified or made, and agrees enough."""
    began = session_began(history)
    threshold = began.session.defence.similar
    forgers = {entry.name for entry in began.roster if entry.policy in FORGING}  # know models without averaging
    known: dict[str, dict[Cid, PeerId]] = {entry.name: {} for entry in began.roster}
    for record in history.of(Adopted, Trained, Averaged, AttemptFailed):
        name, own = record.peer, history.roster[record.peer].peer
        match record.fact:
            case Adopted(cid=cid, creator=str() as creator):
                known[name].setdefault(cid, creator)
            case Trained(cid=cid):
                known[name].setdefault(cid, own)
            case Averaged(remote_cid=remote, creator=creator, cid=cid, adopted=adopted):
                known[name].setdefault(remote, creator)
                if adopted:
                    known[name].setdefault(cid, own)
            case AttemptFailed(remote_cid=cid, reason=reason, similar=None):
                if reason is Reason.SIMILAR:
                    yield f"{name} refused {cid} and did not name the model to which it is similar"
            case AttemptFailed(remote_cid=cid, creator=creator, reason=reason, similar=Likeness() as like):
                refused = f"{name} refused {cid} because of {like.cid}"
                if threshold is None or reason is not Reason.SIMILAR:
                    yield f"{refused}, although similar models are allowed"
                elif not Fraction(threshold) <= exact_accuracy(like.equal) <= 1:
                    yield f"{refused}, with which it agrees on {like.equal.correct} of {like.equal.total} rows only"
                if like.cid not in known[name] and name not in forgers:
                    yield f"{refused}, which it had neither verified nor made"
                elif known[name].get(like.cid) == creator:
                    yield f"{refused}, which is of the same creator"


@check
def denied_peers_earn_nothing(history: History) -> Iterator[str]:
    """No averaging begins with a model of a peer that is denied income; one that was under way may end."""
    session_began(history)
    denied: dict[str, set[PeerId]] = {}
    when_begun: dict[str, set[PeerId]] = {}  # who was denied when the present averaging began
    for record in history.of(StandingChanged, WorkChanged, Averaged):
        match record.fact:
            case StandingChanged(creator=creator, denied=True):
                denied.setdefault(record.peer, set()).add(creator)
            case StandingChanged(creator=creator):
                denied.setdefault(record.peer, set()).discard(creator)
            case WorkChanged(work=WorkState.MERGING):
                when_begun[record.peer] = set(denied.get(record.peer, ()))
            case Averaged(creator=creator) if creator in when_begun.get(record.peer, ()):
                yield f"{record.peer} averaged with a model of {creator}, to which it denied income"


@check
def sealed_models_are_read_by_their_readers(history: History) -> Iterator[str]:
    """Who used a sealed model had a claim that its creator knew, and was not denied income while it was the newest."""
    if not session_began(history).session.defence.sealed:
        return
    ids = {name: entry.peer for name, entry in history.roster.items()}
    known = {name: set[PeerId]() for name in ids}  # peers whose claims a creator admitted
    denied = {name: set[PeerId]() for name in ids}
    newest: dict[str, Cid] = {}
    readers: dict[tuple[PeerId, Cid], set[PeerId]] = {}
    for record in history.of(ClaimJudged, StandingChanged, Published, Averaged, Adopted):
        name = record.peer
        match record.fact:
            case Averaged(creator=creator, remote_cid=cid) | Adopted(creator=str() as creator, cid=cid):
                if ids[name] not in readers.get((creator, cid), ids.values()):
                    yield f"{name} used {cid} of {creator}, which was not sealed for it"
                continue
            case ClaimJudged(sender=sender, poid=poid, verdict=verdict):
                if sender == poid.peer and verdict is not Verdict.REJECTED:
                    known[name].add(sender)
            case StandingChanged(creator=creator, denied=now_denied):
                (denied[name].add if now_denied else denied[name].discard)(creator)
            case Published(cid=cid):
                newest[name] = cid
        if name in newest:
            readers.setdefault((ids[name], newest[name]), set()).update(known[name] - denied[name])
