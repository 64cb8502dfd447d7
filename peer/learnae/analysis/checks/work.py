"""Checks of averaging, adoption and the end of the session (sections 1.1 and 4)."""

from collections import Counter
from collections.abc import Iterator
from math import sqrt

from learnae.analysis.checks.result import MAX_NAMED, check, exact_accuracy, session_began
from learnae.errors import Reason
from learnae.protocol.decisions import (
    Adopted,
    AttemptFailed,
    Averaged,
    FetchFailed,
    ModelLocked,
    PluginFailed,
    Published,
    Trained,
    TrainingFailed,
    WorkChanged,
    WorkState,
)
from learnae.protocol.policies import Policy, Role
from learnae.protocol.row_types import RowsForwarded, RowsPublished
from learnae.protocol.types import Cid, PeerId, Score
from learnae.records.fold import Fold
from learnae.records.history import SWARM, History, PeerCrashed, PeerRestarted, Record, kept_score
from learnae.records.outcome import EndedBy

AVERAGING = (Role.TRAINER, Role.PROFITEER, Role.PROVIDER)


def _peers(history: History) -> dict[str, PeerId]:
    return {entry.name: entry.peer for entry in session_began(history).roster}


@check
def adopted_only_if_better(history: History) -> Iterator[str]:
    """An average is compared with the peer's own last model, and adopted if and only if it is strictly better."""
    honest = {entry.name for entry in session_began(history).roster if entry.policy is Policy.HONEST}
    current: dict[str, Score] = {}
    for record in history.of(Adopted, Trained, Averaged):
        fact = record.fact
        if isinstance(fact, Averaged):
            if fact.before != current.get(record.peer):
                yield f"{record.peer} compared with {fact.before}, but its model has {current.get(record.peer)}"
            better = exact_accuracy(fact.after) > exact_accuracy(fact.before)
            if fact.adopted and not better:
                yield f"{record.peer} adopted {fact.cid}, which is not better"
            if better and not fact.adopted and record.peer in honest:
                yield f"{record.peer} dropped {fact.cid}, which is better"
        if (score := kept_score(fact)) is not None:
            current[record.peer] = score


@check
def averaged_models_were_published(history: History) -> Iterator[str]:
    """A model that a peer averaged or started from was published by its creator before."""
    names = {peer: name for name, peer in _peers(history).items()}
    published: set[tuple[str | None, Cid]] = set()
    for record in history.of(Published, Averaged, Adopted):
        match record.fact:
            case Published(cid=cid):
                published.add((record.peer, cid))
            case Averaged(creator=creator, remote_cid=cid) | Adopted(creator=str(creator), cid=cid):
                if (names.get(creator), cid) not in published:
                    yield f"{record.peer} used {cid}, which {names.get(creator, creator)} had not published"


@check
def own_models_not_averaged(history: History) -> Iterator[str]:
    """No peer averages with its own model, neither by the creator's name nor by the content."""
    peers = _peers(history)
    own = {(record.peer, fact.cid) for record, fact in history.facts(Published)}
    for record, fact in history.facts(Averaged):
        if fact.creator == peers[record.peer] or (record.peer, fact.remote_cid) in own:
            yield f"{record.peer} averaged with its own model {fact.remote_cid}"


@check
def training_did_not_diverge(history: History) -> Iterator[str]:
    """Every slice that a peer trained gave weights that are finite numbers."""
    work = session_began(history).session.work
    failures = [(record.peer, fact) for record, fact in history.facts(TrainingFailed) if not fact.rows]
    lost = Counter(name for name, fact in failures if fact.reason is Reason.NOT_FINITE)
    for name, slices in lost.items():
        planned = work.slices * work.passes
        yield (
            f"{name}: training on {slices} of {planned} slices diverged (weights became infinite), so it kept the "
            "model from before: lower model.learning_rate"
        )


@check
def private_rows_stay_private(history: History) -> Iterator[str]:
    """In privacy mode nobody publishes rows, and nobody trains on rows of others."""
    if session_began(history).session.privacy:
        for record in history.of(RowsPublished, RowsForwarded, Trained, TrainingFailed):
            if isinstance(record.fact, RowsPublished | RowsForwarded):
                yield f"{record.peer} published rows {record.fact.cid}"
            elif isinstance(record.fact, Trained | TrainingFailed) and record.fact.rows:
                yield f"{record.peer} trained on rows {record.fact.rows}"


@check
def trained_rows_were_announced(history: History) -> Iterator[str]:
    """A peer trains on its own slices, once each, and on row blocks that another one published before, once each.

    A block of a sensor counts as published when a peer that follows the feed has announced it.
    """
    sensors = {entry.peer: entry.name for entry in session_began(history).roster if entry.sensor}
    publishers: dict[Cid, str] = {}
    used: set[tuple[str, Cid]] = set()
    for record in history.of(RowsPublished, RowsForwarded, Trained):
        match record.fact:
            case RowsPublished(cid=cid):
                publishers.setdefault(cid, record.peer)
            case RowsForwarded(sensor, cid=cid):
                if sensor not in sensors:
                    yield f"{record.peer} forwarded {cid} of {sensor}, which is no sensor of this session"
                publishers.setdefault(cid, sensors.get(sensor, record.peer))
            case Trained(rows=str(cid)):
                if publishers.get(cid) in (None, record.peer):
                    yield f"{record.peer} trained on {cid}, which no other peer had published"
                if (record.peer, cid) in used:
                    yield f"{record.peer} trained on {cid} twice"
                used.add((record.peer, cid))


@check
def every_peer_finished(history: History) -> Iterator[str]:
    """Every peer of the roster finished, and the session ended by itself."""
    session_began(history)
    if history.ended_by in (None, EndedBy.INTERRUPTED):
        yield f"partial: the session {'was interrupted' if history.ended_by else 'has no recorded end'}"
    unfinished = [f"{name} ({state})" for name, state in last_states(history).items() if state != WorkState.DONE]
    if unfinished:
        yield f"partial: {', '.join(unfinished)} did not finish"
    known = {SWARM, *history.roster}
    for name in dict.fromkeys(record.peer for record in history.records):
        if name not in known:
            yield f"{name} is not in the roster"


def last_states(history: History) -> dict[str, str]:
    """The last known state of each peer that is no sensor: a work state, absent, or crashed."""
    known = history.folded(_LastStates)
    peers = [name for name, entry in history.roster.items() if not entry.sensor]
    return {name: "crashed" if name in known.crashed else known.work.get(name, "absent") for name in peers}


class _LastStates(Fold):
    kinds = (WorkChanged, PeerCrashed, PeerRestarted)

    def __init__(self, history: History) -> None:
        self.work: dict[str, str] = {}
        self.crashed: set[str] = set()

    def add(self, record: Record) -> None:
        match record.fact:
            case WorkChanged(state):
                self.work[record.peer] = state.value
            case PeerCrashed():
                self.crashed.add(record.peer)
            case _:
                self.crashed.discard(record.peer)


def learned_nothing(history: History) -> list[str]:
    """A notice that names the honest peers whose last models are hardly better than their untrained ones.

    Both are scored on the same validation rows, so no knowledge of the classes is needed.  A metric that raised says
    nothing about models.
    """
    if history.session and any(fact.plugin == history.session.score.metric for _, fact in history.facts(PluginFailed)):
        return []
    first: dict[str, Score] = {}
    last: dict[str, Score] = {}
    for record, score in history.kept:
        first.setdefault(record.peer, score)
        last[record.peer] = score
    trained = {record.peer for record in history.of(Trained, TrainingFailed)}
    rows = history.session.data.validation_rows if history.session else 1
    known = trained & last.keys()
    names = [name for name in history.honest if name in known and _alike(first[name], last[name], rows)]
    if not names:
        return []
    shown = ", ".join(names[:MAX_NAMED]) + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
    return [
        f"At the end, the models of {shown} are hardly better than untrained ones: try another model.learning_rate, "
        "and check that the labels belong to their rows. If peers have few rows, use fewer peers or more data."
    ]


def nobody_averaged(history: History) -> list[str]:
    """A notice with the reasons why no peer averaged, if none did although others had published models."""
    receivers = [name for name in history.honest if history.roster[name].role in AVERAGING]
    models = {fact.cid: record.peer for record, fact in history.facts(Published)}
    if history.ended_by not in (EndedBy.QUIET, EndedBy.MAX_DURATION) or next(history.facts(Averaged), None):
        return []
    if not any(name != creator for name in receivers for creator in models.values()):
        return []
    kinds: dict[type[AttemptFailed | FetchFailed | ModelLocked], str]
    kinds = {AttemptFailed: "rejected", FetchFailed: "not fetched", ModelLocked: "sealed for others"}
    left, parts = set(models), []
    for kind, what in kinds.items():
        facts = [fact for _, fact in history.facts(kind) if fact.remote_cid in left]
        if cids := {fact.remote_cid for fact in facts}:
            reasons = Counter(fact.reason for fact in facts if not isinstance(fact, ModelLocked))
            why = f" ({', '.join(f'{reason} {count}' for reason, count in reasons.most_common())})" if reasons else ""
            parts.append(f"{len(cids)} {what}{why}")
            left -= cids
    advice = ""
    if left:
        parts.append(f"{len(left)} not yet fetched or not yet tried when the session ended")
        if history.ended_by is EndedBy.QUIET:
            advice = " Set a longer linger and a longer work.idle_after, or use smaller models."
        else:
            advice = " Set a longer max_duration, or use smaller models."
    return [f"No peer averaged: of {len(models)} published models, {', '.join(parts)}.{advice}"]


def _alike(untrained: Score, trained: Score, rows: int) -> bool:
    """Whether chance explains the gain: at most two standard errors of the untrained model's accuracy."""
    accuracy = untrained.accuracy
    return trained.accuracy - accuracy <= 2 * sqrt(accuracy * (1 - accuracy) / min(rows, untrained.total))
