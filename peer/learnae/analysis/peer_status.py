"""Where each peer stands, and what became of each debt, from the records so far."""

from collections.abc import Iterable
from dataclasses import dataclass

from learnae.protocol.decisions import (
    Adopted,
    Averaged,
    DebtChanged,
    IdentityChanged,
    IdentityState,
    Trained,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, Fact, History, PeerCrashed, PeerRestarted, RosterEntry

REGISTERING, WAITING, TRAINING, AVERAGING, DONE, DOWN = PHASES = (
    "registering",
    "waiting",
    "training",
    "averaging",
    "done",
    "down",
)
BY_WORK = {WorkState.TRAINING: TRAINING, WorkState.MERGING: AVERAGING, WorkState.DONE: DONE}


@dataclass
class PeerStatus:
    entry: RosterEntry
    work: WorkState = WorkState.EMPTY
    identity: IdentityState = IdentityState.NONE
    began: bool = False
    down: bool = False
    trained: int = 0  # slices
    attempts: int = 0  # averagings scored
    adopted: int = 0

    def tell(self, fact: Fact) -> None:
        match fact:
            case WorkChanged(work=work):
                self.work = work
            case IdentityChanged(identity=identity):
                self.identity = identity
            case WorkBegan():
                self.began = True
            case Trained():
                self.trained += 1
            case Averaged(adopted=adopted):
                self.attempts += 1
                self.adopted += adopted
            case PeerCrashed():
                self.down = True
            case PeerRestarted():
                self.down = False

    @property
    def phase(self) -> str:
        """What it does now.  Registering: it wants to be paid, has no identity yet and has not begun to work."""
        if self.down:
            return DOWN
        if self.work in BY_WORK:
            return BY_WORK[self.work]
        awaited = self.entry.wants_payment and self.identity is not IdentityState.REGISTERED
        return REGISTERING if awaited and not self.began else WAITING


def peer_statuses(history: History) -> list[PeerStatus]:
    """In the order of the roster."""
    standing = {name: PeerStatus(entry) for name, entry in history.roster.items()}
    for record in history.of(WorkChanged, IdentityChanged, WorkBegan, Trained, Averaged, PeerCrashed, PeerRestarted):
        if record.peer in standing:
            standing[record.peer].tell(record.fact)
    return list(standing.values())


@dataclass(frozen=True)
class TestedModels:
    """The models of an honest peer that were scored on test rows: when the first and the last of them were made, and
    whether the peer goes on with the last."""

    first: float
    last: float
    current: bool


def tested_models(history: History) -> list[TestedModels]:
    """Of those that have any."""
    made: dict[tuple[str, Cid], float] = {}
    now: dict[str, Cid] = {}
    for record, _ in history.kept:
        assert isinstance(record.fact, Adopted | Trained | Averaged)
        made[record.peer, record.fact.cid] = record.t
        now[record.peer] = record.fact.cid
    scored: dict[str, dict[Cid, float]] = {name: {} for name in history.honest}
    for record, fact in history.facts(Evaluated):
        if record.peer in scored:
            scored[record.peer][fact.cid] = made.get((record.peer, fact.cid), record.t)
    return [
        TestedModels(min(models.values()), max(models.values()), now.get(name) in models)
        for name, models in scored.items()
        if models
    ]


def newest_debts(history: History) -> Iterable[tuple[float, str, DebtChanged]]:
    """(when it changed last, payer, as it is now) of each debt, the newest first."""
    last = [(*changes[-1], payer) for (payer, _), changes in history.debts.items()]
    return ((t, payer, debt) for t, debt, payer in sorted(last, key=lambda each: each[0], reverse=True))
