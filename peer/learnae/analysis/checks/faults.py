"""Checks of sessions with faults: each fault happened while its targets had work, and the peers recovered."""

from collections.abc import Iterator
from dataclasses import dataclass

from learnae.analysis.checks.result import Undecided, check, session_of
from learnae.protocol.decisions import Averaged, DebtChanged, IdentityChanged, Published, WorkChanged, WorkState
from learnae.records.history import (
    Effect,
    FaultBegan,
    FaultEnded,
    FaultsPlanned,
    History,
    PeerCrashed,
    ReadingPublished,
)
from learnae.session.fault_plan import plan
from learnae.session.faults import FaultKind
from learnae.session.sensor_rules import readings_of_each

NAMED = 5  # doubts that a reason names


@dataclass(frozen=True, slots=True)
class RecordedFault:
    """A fault as recorded.  ``window``: its number in the plan.  ``end`` None: it outlasted the session."""

    window: int
    kind: FaultKind
    targets: tuple[str, ...]
    sides: tuple[tuple[str, ...], ...]
    begin: float
    end: float | None
    effect: Effect | None

    def __str__(self) -> str:
        return f"{self.kind} at {self.begin:.0f} s"


def recorded_faults(history: History) -> list[RecordedFault]:
    """In the order in which they began."""
    ends = {fact.window: (record.t, fact.effect) for record, fact in history.facts(FaultEnded)}
    return [
        RecordedFault(fact.window, fact.fault, fact.targets, fact.sides, record.t, *ends.get(fact.window, (None, None)))
        for record, fact in history.facts(FaultBegan)
    ]


@check
def faults_happened(history: History) -> Iterator[str]:
    """Every fault of the plan began, had an effect while its targets had work, and was healed.  If not: unknown."""
    if not session_of(history).faults:
        return
    planned = next((fact.windows for _, fact in history.facts(FaultsPlanned)), None)
    if planned is None:
        raise Undecided("the session was over before its faults could begin")
    if planned == 0:
        raise Undecided("the plan of its faults is empty")
    faults, leaks = recorded_faults(history), _leaks(history)
    doubts = [f"{planned - len(faults)} faults never began"] * (planned > len(faults))
    for fault in faults:
        if fault.end is None:
            doubts.append(f"{fault} was not healed before the session ended")
        elif fault.effect is Effect.INEFFECTIVE:
            doubts.append(f"{fault} had no effect")
        elif fault.window in leaks:
            doubts.append(f"{fault} let models through")
        elif not _met_work(history, fault):
            doubts.append(f"{fault} hit only peers without work")
    if doubts:
        raise Undecided("; ".join(doubts[:NAMED]))
    yield from ()


@check
def recovered(history: History) -> Iterator[str]:
    """Within ``expect.recovery`` after a fault ends, the work it stopped continues, unless none is left."""
    if not session_of(history).faults:
        return
    patience = session_of(history).expect.recovery
    for fault in recorded_faults(history):
        if fault.end is None:
            continue
        until = fault.end + patience
        if history.ended_by is None or history.seconds < until:
            continue  # the session ended well within that time
        if missing := _missing(history, fault, until):
            yield f"{patience:.0f} s after {fault} was healed, {missing}"


def crossings(history: History) -> Iterator[tuple[RecordedFault, float]]:
    """For each cut that is over: seconds from its heal to the first crossing; negative if a model got through."""
    for fault in recorded_faults(history):
        if fault.kind.cuts and fault.end is not None:
            for moment in _crossings(history, fault):
                yield fault, moment - fault.end
                break


# private


def _crossings(history: History, fault: RecordedFault) -> Iterator[float]:
    """When a model that was published since the cut began was averaged on its other side.

    Older models prove nothing: any peer that has fetched one serves it.
    """
    new = {fact.cid for record, fact in history.facts(Published) if record.t >= fault.begin}
    names = {entry.peer: entry.name for entry in history.roster.values()}
    for record, fact in history.facts(Averaged):
        if fact.remote_cid in new and _separated(fault, names.get(fact.creator, ""), record.peer):
            yield record.t


def _leaks(history: History) -> set[int]:
    """Windows of cuts that a model got through.  A cut of one way may let models through the other way."""
    session = session_of(history)
    sensors = [name for name, entry in history.roster.items() if entry.sensor]
    windows = plan(session.faults, list(history.roster), session.seed, sensors)
    return {
        fault.window for fault, after in crossings(history) if after < 0 and not windows[fault.window].fault.one_way
    }


def _affected(history: History, fault: RecordedFault) -> set[str]:
    """Peers that the fault can stop; a fault of the chain can stop all."""
    return set(fault.targets) or set(history.roster)


def _met_work(history: History, fault: RecordedFault) -> bool:
    """Whether one of its targets had work when it began, or got some before it ended; for the feed: readings."""
    if fault.kind is FaultKind.FEED_KILL or fault.kind.of_sensors:
        return _unpublished(history, fault, fault.begin) > 0
    hit = _affected(history, fault)
    if any(_work_at(history, name, fault.begin) is not WorkState.DONE for name in hit):
        return True
    end = fault.begin if fault.end is None else fault.end
    return any(
        record.peer in hit and fault.begin <= record.t < end and fact.work is not WorkState.DONE
        for record, fact in history.facts(WorkChanged)
    )


def _work_at(history: History, name: str, at: float) -> WorkState:
    work = WorkState.EMPTY
    for record, fact in history.facts(WorkChanged):
        if record.t > at:
            break
        if record.peer == name:
            work = fact.work
    return work


def _missing(history: History, fault: RecordedFault, until: float) -> str:
    """What did not happen between the fault's end and ``until``, although it should have; empty: nothing."""
    assert fault.end is not None
    if fault.kind.cuts:
        crossed = any(fault.end < moment <= until for moment in _crossings(history, fault))
        return "" if crossed or not _published_behind(history, fault) else "no new model had crossed"
    after = [record for record in history.records if fault.end < record.t <= until]
    if fault.kind.chain:
        moved = any(isinstance(record.fact, DebtChanged | IdentityChanged) for record in after)
        return "" if moved or not _unsettled(history, fault.end) else "nothing had been settled"
    if fault.kind is FaultKind.FEED_KILL or fault.kind.of_sensors:
        targets = _sensors(history, fault)
        moved = any(record.peer in targets and isinstance(record.fact, ReadingPublished) for record in after)
        return "" if moved or not _unpublished(history, fault, fault.end) else "no reading had been published"
    active = {record.peer for record in after if not isinstance(record.fact, PeerCrashed)}
    silent = [
        name
        for name in sorted(_affected(history, fault) - active)
        if _work_at(history, name, fault.begin) is not WorkState.DONE
    ]
    return f"{', '.join(silent)} had done nothing" if silent else ""


def _sensors(history: History, fault: RecordedFault) -> set[str]:
    """Those that the fault can stop; a fault of the feed can stop all."""
    return set(fault.targets) or {name for name, entry in history.roster.items() if entry.sensor}


def _unpublished(history: History, fault: RecordedFault, at: float) -> int:
    """Readings that these sensors had left to publish at that moment."""
    session, sensors = session_of(history), _sensors(history, fault)
    published = sum(record.t <= at and record.peer in sensors for record, _ in history.facts(ReadingPublished))
    return len(sensors) * readings_of_each(session) - published


def _published_behind(history: History, fault: RecordedFault) -> bool:
    """Whether a peer that was cut off from another published a model meanwhile."""
    return any(
        fault.begin <= record.t < (fault.end or 0.0) and _separated(fault, record.peer, other)
        for record, _ in history.facts(Published)
        for other in history.roster
    )


def _separated(fault: RecordedFault, one: str, other: str) -> bool:
    """Whether the cut is between these two peers."""
    if fault.sides:
        return not any(one in side and other in side for side in fault.sides)
    is_target = [name in fault.targets for name in (one, other)]
    return one != other and (any(is_target) if fault.kind is FaultKind.ISOLATE else is_target[0] != is_target[1])


def _unsettled(history: History, at: float) -> bool:
    """Whether a debt was open at that moment."""
    states = {debt: [fact.state for t, fact in changes if t <= at] for debt, changes in history.debts.items()}
    return any(known and not known[-1].terminal for known in states.values())
