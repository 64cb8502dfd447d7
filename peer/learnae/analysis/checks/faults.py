"""What a session with faults must show: they happened, they met work, and it went on afterwards (DESIGN section 7)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from learnae.analysis.checks.result import Undecided, check, session_began, settings
from learnae.protocol.decisions import Averaged, DebtChanged, IdentityChanged, Published, WorkChanged, WorkState
from learnae.records.history import Effect, FaultBegan, FaultEnded, FaultsPlanned, History, PeerCrashed
from learnae.session.fault_plan import plan
from learnae.session.faults import Fault, FaultKind

PARTING = (FaultKind.CUT, FaultKind.SPLIT, FaultKind.ISOLATE)
HEALING = 2.0  # s: on containers a heal is recorded when the last link has it


@dataclass(frozen=True, slots=True)
class SeenFault:
    """A fault as the history tells it.  ``end`` None: the session was over before."""

    number: int
    began: FaultBegan
    begin: float
    end: float | None
    effect: Effect | None

    @property
    def name(self) -> str:
        return f"{self.began.fault} at {self.begin:.0f} s"


@check
def faults_happened(history: History) -> Iterator[str]:
    """Each fault of the plan began, held something up while there was work, and was healed.  Otherwise: unknown."""
    if not session_began(history).session.get("faults"):
        return
    planned = next((fact.windows for _, fact in history.facts(FaultsPlanned)), None)
    if planned is None:
        raise Undecided("the session was over before its faults could begin")
    if planned == 0:
        raise Undecided("the plan of its faults is empty")
    told, leaks = seen_faults(history), _leaks(history)
    doubts = [f"{planned - len(told)} faults never began"] * (planned > len(told))
    for each in told:
        if each.end is None:
            doubts.append(f"{each.name} was not healed before the session ended")
        elif each.effect is Effect.INEFFECTIVE:
            doubts.append(f"{each.name} held nothing up")
        elif each.number in leaks:
            doubts.append(f"{each.name} let models through")
        elif not _at_work(history, each):
            doubts.append(f"{each.name} met no work")
    if doubts:
        raise Undecided("; ".join(doubts[:5]))
    yield from ()


@check
def recovered(history: History) -> Iterator[str]:
    """Within ``expect.recovery`` of its end, what a fault held up goes on, if there was something to go on with."""
    if not session_began(history).session.get("faults"):
        return
    patience = settings(history, "expect")["recovery"]
    for each in seen_faults(history):
        if each.end is None:
            continue
        until = each.end + patience
        if history.ended_by is None or history.seconds < until:
            continue  # the session ended well within that time
        if missing := _missing(history, each, until):
            yield f"{patience:.0f} s after {each.name} was healed, {missing}"


def crossings(history: History) -> Iterator[tuple[SeenFault, float]]:
    """Of cuts that are over: seconds from the heal until the first crossing; below 0 if something got through."""
    for fault in seen_faults(history):
        if fault.began.fault in PARTING and fault.end is not None:
            for moment in _crossings(history, fault):
                yield fault, moment - fault.end
                break


def _crossings(history: History, fault: SeenFault) -> Iterator[float]:
    """When a model published since the cut began was averaged on its other side.

    Models of before prove nothing: they travel on from whoever has fetched them.
    """
    new = {fact.cid for record, fact in history.facts(Published) if record.t >= fault.begin}
    names = {entry.peer: entry.name for entry in history.roster.values()}
    for record, fact in history.facts(Averaged):
        if fact.remote_cid in new and _parted(fault, names.get(fact.creator, ""), record.peer):
            yield record.t


def _leaks(history: History) -> set[int]:
    """Cuts that something went through; of those that let one way pass nothing is known."""
    session = session_began(history).session
    windows = plan(map(_fault, session["faults"]), list(history.roster), session["seed"])
    return {
        fault.number
        for fault, after in crossings(history)
        if after < -HEALING and not windows[fault.number].fault.one_way
    }


def _fault(table: dict[str, Any]) -> Fault:
    """As the session has it: JSON."""
    kind, targets = FaultKind(table["kind"]), table["targets"]
    return Fault(**table | {"kind": kind, "targets": targets if isinstance(targets, str) else tuple(targets)})


def seen_faults(history: History) -> list[SeenFault]:
    """In the order in which they began."""
    ends = {fact.window: (record.t, fact.effect) for record, fact in history.facts(FaultEnded)}
    return [
        SeenFault(fact.window, fact, record.t, *ends.get(fact.window, (None, None)))
        for record, fact in history.facts(FaultBegan)
    ]


def _hit(history: History, fault: SeenFault) -> set[str]:
    """Whom it can hold up: of a fault of the chain, everybody."""
    return set(fault.began.targets) or set(history.roster)


def _at_work(history: History, fault: SeenFault) -> bool:
    """Whether somebody it hit was not done, or became so only meanwhile."""
    busy = {name for name in _hit(history, fault) if _doing(history, name, fault.begin) is not WorkState.DONE}
    woken = {
        record.peer
        for record, fact in history.facts(WorkChanged)
        if fault.end is not None and fault.begin <= record.t < fault.end and fact.work is not WorkState.DONE
    }
    return bool(busy | woken & _hit(history, fault))


def _doing(history: History, name: str, at: float) -> WorkState:
    work = WorkState.EMPTY
    for record, fact in history.facts(WorkChanged):
        if record.t > at:
            break
        if record.peer == name:
            work = fact.work
    return work


def _missing(history: History, fault: SeenFault, until: float) -> str:
    """What should have happened by then, if anything."""
    assert fault.end is not None
    if fault.began.fault in PARTING:
        crossed = any(fault.end < moment <= until for moment in _crossings(history, fault))
        return "" if crossed or not _new_behind(history, fault) else "no new model had crossed"
    after = [record for record in history.records if fault.end < record.t <= until]
    if fault.began.fault.chain:
        moved = any(isinstance(record.fact, DebtChanged | IdentityChanged) for record in after)
        return "" if moved or not _unsettled(history, fault.end) else "nothing had been settled"
    silent = [
        name
        for name in sorted(_hit(history, fault))
        if _doing(history, name, fault.begin) is not WorkState.DONE
        and not any(record.peer == name and not isinstance(record.fact, PeerCrashed) for record in after)
    ]
    return f"{', '.join(silent)} had not gone on" if silent else ""


def _new_behind(history: History, fault: SeenFault) -> bool:
    """Whether somebody it parted from others published a model meanwhile."""
    return any(
        fault.begin <= record.t < (fault.end or 0.0) and _parted(fault, record.peer, other)
        for record, _ in history.facts(Published)
        for other in history.roster
    )


def _parted(fault: SeenFault, one: str, other: str) -> bool:
    if fault.began.sides:
        return not any(one in side and other in side for side in fault.began.sides)
    inside = [name in fault.began.targets for name in (one, other)]
    return one != other and (any(inside) if fault.began.fault is FaultKind.ISOLATE else inside[0] != inside[1])


def _unsettled(history: History, at: float) -> bool:
    states = {debt: [fact.state for t, fact in changes if t <= at] for debt, changes in history.debts.items()}
    return any(each and not each[-1].terminal for each in states.values())
