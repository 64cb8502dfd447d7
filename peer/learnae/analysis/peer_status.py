"""The current state of each peer and of each debt, from the records so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from learnae.protocol.decisions import (
    Adopted,
    Averaged,
    BooksClosed,
    DebtChanged,
    IdentityChanged,
    IdentityState,
    Trained,
    TrainingFailed,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.protocol.row_types import RowsFetched, RowsPublished
from learnae.protocol.types import Cid, Score
from learnae.records.fold import Fold
from learnae.records.history import (
    Evaluated,
    Fact,
    History,
    PeerCrashed,
    PeerRestarted,
    ReadingPublished,
    Record,
    kept_score,
)
from learnae.records.roster_entry import RosterEntry

REGISTERING, WAITING, TRAINING, AVERAGING, DONE, AWAY, DOWN = PHASES = (
    "registering",
    "waiting",
    "training",
    "averaging",
    "done",
    "away",
    "down",
)
FACTS = (
    *(WorkChanged, IdentityChanged, WorkBegan, Trained, TrainingFailed, RowsPublished, RowsFetched, Averaged),
    *(ReadingPublished, PeerCrashed, PeerRestarted, BooksClosed),
)
BY_WORK = {WorkState.TRAINING: TRAINING, WorkState.MERGING: AVERAGING, WorkState.DONE: DONE}


@dataclass
class RowCounts:
    """Row blocks of an open session: its own that a peer or sensor published, and those of others."""

    published: int = 0
    fetched: int = 0
    trained: int = 0
    refused: int = 0  # for whatever reason the slice gave no model


@dataclass
class PeerStatus:
    """The state of one peer; ``apply`` updates it with a fact."""

    entry: RosterEntry
    work: WorkState = WorkState.EMPTY
    identity: IdentityState = IdentityState.NONE
    began: bool = False
    away: bool = False  # its work costs more than it brings
    down: bool = False
    trained: int = 0  # slices
    rows: RowCounts = field(default_factory=RowCounts)
    attempts: int = 0  # averagings scored
    adopted: int = 0

    def apply(self, fact: Fact) -> None:
        match fact:
            case WorkChanged(work=work):
                self.work = work
            case IdentityChanged(identity=identity):
                self.identity = identity
            case WorkBegan():
                self.began = True
            case Trained(rows=rows):
                self.trained += 1
                self.rows.trained += rows is not None
            case TrainingFailed(rows=rows):
                self.rows.refused += rows is not None
            case RowsPublished() | ReadingPublished():
                self.rows.published += 1
            case RowsFetched():
                self.rows.fetched += 1
            case Averaged(adopted=adopted):
                self.attempts += 1
                self.adopted += adopted
            case BooksClosed(works=works):
                self.away = not works
            case PeerCrashed():
                self.down = True
            case PeerRestarted():
                self.down = False

    @property
    def phase(self) -> str:
        """What the peer does now.  Registering: it wants payment, has no identity yet and has not started work."""
        if self.down:
            return DOWN
        if self.away:
            return AWAY
        if self.work in BY_WORK:
            return BY_WORK[self.work]
        unregistered = self.entry.wants_payment and self.identity is not IdentityState.REGISTERED
        return REGISTERING if unregistered and not self.began else WAITING


class _Statuses(Fold):
    kinds = FACTS

    def __init__(self, history: History) -> None:
        self.statuses = {name: PeerStatus(entry) for name, entry in history.roster.items()}

    def add(self, record: Record) -> None:
        if record.peer in self.statuses:
            self.statuses[record.peer].apply(record.fact)


def peer_statuses(history: History) -> list[PeerStatus]:
    """In the order of the roster."""
    return list(history.folded(_Statuses).statuses.values())


class KeptModels(Fold):
    """The models that each peer adopted."""

    kinds = (Adopted, Trained, Averaged)

    def __init__(self, history: History) -> None:
        self.made_at: dict[tuple[str, Cid], float] = {}
        self.current: dict[str, Cid] = {}
        self.scores: dict[str, Score] = {}  # of the current models, on their peers' validation data

    def add(self, record: Record) -> None:
        if score := kept_score(record.fact):
            assert isinstance(record.fact, Adopted | Trained | Averaged)
            self.made_at[record.peer, record.fact.cid] = record.t
            self.current[record.peer] = record.fact.cid
            self.scores[record.peer] = score


@dataclass(frozen=True)
class TestedModels:
    """The tested models of an honest peer: when the first and the last were made, and whether the last is current."""

    first: float
    last: float
    current: bool


def tested_models(history: History) -> list[TestedModels]:
    """Of the honest peers with a tested model."""
    kept = history.folded(KeptModels)
    tested: dict[str, dict[Cid, float]] = {name: {} for name in history.honest}
    for record, fact in history.facts(Evaluated):
        if record.peer in tested:
            tested[record.peer][fact.cid] = kept.made_at.get((record.peer, fact.cid), record.t)
    return [
        TestedModels(min(models.values()), max(models.values()), kept.current.get(name) in models)
        for name, models in tested.items()
        if models
    ]


def newest_debts(history: History) -> Iterable[tuple[float, str, DebtChanged]]:
    """(time of the last change, payer, current debt), newest first."""
    last = [(*changes[-1], payer) for (payer, _), changes in history.debts.items()]
    return ((t, payer, debt) for t, debt, payer in sorted(last, key=lambda change: change[0], reverse=True))
