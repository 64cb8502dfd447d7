"""``history.jsonl``: what happened in a session, one record per line; and a whole session read back.  Pure.

A line is ``{"t":1.25,"peer":"p07","kind":"Averaged",...}``: a decision of a peer, or what its driver observed.  Lines
are in the order of events; a crash may leave the last one incomplete.  ``chain_export.py`` describes ``chain.jsonl``.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, partial
from typing import Any, TypeVar, cast

from learnae.errors import InputError
from learnae.messages.codec import MAX_FLOAT, decode, to_json
from learnae.messages.foreign_json import from_json
from learnae.messages.json_text import json_text, number_text
from learnae.protocol.decisions import Adopted, Averaged, DebtChanged, Decision, PluginFailed, Trained
from learnae.protocol.policies import Policy
from learnae.protocol.types import Address, Cid, Score
from learnae.records.chain_export import ChainRecord, StartingBalances
from learnae.records.fold import Fold, Folds, S
from learnae.records.outcome import BackendName, EndedBy
from learnae.records.roster_entry import RosterEntry
from learnae.session.faults import FaultKind
from learnae.session.roster import Member
from learnae.session.settings import Session

VERSION = 4  # of both files; written in SessionBegan
SWARM = "swarm"  # the ``peer`` of a record that is not about a single peer

T = TypeVar("T")
F = TypeVar("F", bound="Fact")
E = TypeVar("E", bound="ChainRecord")


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """First record, of ``swarm``.  ``manifest`` is the CID of what all peers agreed on."""

    version: int
    backend: BackendName
    session: Session
    roster: tuple[RosterEntry, ...]
    manifest: Cid


def session_began(backend: BackendName, session: Session, members: Iterable[Member], manifest: Cid) -> SessionBegan:
    """The first record of a session."""
    return SessionBegan(VERSION, backend, session, tuple(map(RosterEntry.of, members)), manifest)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Test accuracy of a model of this peer, on data that no peer has.  The command scores it; peers never see it.

    ``own`` is the accuracy on test data of the peer's own distribution, where distributions differ.  ``failed``: the
    metric, on these rows, so that it counts as 0.
    """

    cid: Cid
    step: int
    test: Score
    own: Score | None = None
    failed: PluginFailed | None = None


@dataclass(frozen=True, slots=True)
class ReadingPublished:
    """The feed has confirmed a sensor's reading.  ``cid``: the block of its rows.  ``of``: how many readings it has."""

    number: int
    cid: Cid
    of: int = 0  # not known


@dataclass(frozen=True, slots=True)
class ReadingsDamaged:
    """The file that lists a sensor's confirmed readings is damaged.  The rest of it is not read."""


@dataclass(frozen=True, slots=True)
class PeerCrashed:
    pass


@dataclass(frozen=True, slots=True)
class PeerRestarted:
    pass


class Effect(StrEnum):
    APPLIED = "applied"  # an effect was observed
    INEFFECTIVE = "ineffective"


@dataclass(frozen=True, slots=True)
class FaultsPlanned:
    """Of ``swarm``: second 0 of the fault plan.  ``windows`` is the number of faults in it."""

    windows: int


@dataclass(frozen=True, slots=True)
class FaultBegan:
    """Of ``swarm``.  ``window`` counts the faults of the plan from 0.  Peers of one side reach each other."""

    window: int
    fault: FaultKind
    targets: tuple[str, ...]
    sides: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FaultEnded:
    """Of ``swarm``: the fault was healed."""

    window: int
    effect: Effect


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Last record, of ``swarm``."""

    ended_by: EndedBy


Fact = (
    Decision
    | SessionBegan
    | Evaluated
    | ReadingPublished
    | ReadingsDamaged
    | PeerCrashed
    | PeerRestarted
    | FaultsPlanned
    | FaultBegan
    | FaultEnded
    | SessionEnded
)


def kept_score(fact: Fact) -> Score | None:
    """Validation score of the model that a peer adopts by ``fact``; None if it adopts none."""
    match fact:
        case Adopted(score=score) | Trained(score=score) | Averaged(adopted=True, after=score):
            return score
    return None


@dataclass(frozen=True, slots=True)
class Record:
    """``t`` is in session seconds, written to the microsecond.  ``peer`` is a name of the roster, or ``swarm``."""

    t: float
    peer: str
    fact: Fact

    def line(self) -> str:
        """JSON without the end of the line."""
        return f'{{"t":{number_text(round(self.t, 6))},"peer":{to_json(self.peer)},{json_text(self.fact, {})[1:]}'


def _record(value: Any) -> Record:
    t, peer = map(value.pop, ("t", "peer"), (None, None)) if isinstance(value, dict) else (None, None)
    if isinstance(t, float | int) and type(t) is not bool and abs(t) <= MAX_FLOAT and type(peer) is str:
        return Record(float(t), peer, decode(Fact, value))
    raise ValueError("a record has a time t and a peer")


def _parse(name: str, lines: Iterable[str], read: Callable[[Any], T]) -> tuple[tuple[T, ...], bool]:
    """Return the records, and whether the last line is incomplete: it is not JSON and nothing follows it."""
    parsed: list[T] = []
    broken: InputError | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if broken is not None:
            raise broken
        try:
            value = from_json(line)
        except ValueError as error:
            broken = InputError(f"{name}, line {number} is not JSON ({error}): use the file as the run wrote it")
            continue
        try:
            parsed.append(read(value))
        except ValueError as error:
            raise InputError(
                f"{name}, line {number} is no record of version {VERSION}: {error}; "
                "if another version of LEARNAE wrote this run, use that one"
            ) from error
    return tuple(parsed), broken is not None


@dataclass(frozen=True)
class History:
    """A session, as far as it was written.  ``truncated``: the last line of a file is incomplete."""

    records: tuple[Record, ...]
    chain: tuple[ChainRecord, ...] = ()
    truncated: bool = False

    @staticmethod
    def parse(history: Iterable[str], chain: Iterable[str] = ()) -> "History":
        """Read the lines of the two files.  Raises InputError that names the first line that is not a record."""
        records, broken = _parse("history.jsonl", history, _record)
        ledger, torn = _parse("chain.jsonl", chain, partial(decode, ChainRecord))
        return History(records, ledger, broken or torn)

    def grown(self, records: tuple[Record, ...]) -> "History":
        """This history with more records.  It takes over the folds of this one."""
        more = replace(self, records=records)
        if self.began and len(records) >= len(self.records):  # without a roster, folds cannot continue
            vars(more)["_folds"] = vars(self).pop("_folds", Folds())
        return more

    def folded(self, kind: type[S]) -> S:
        """The state of a fold after all records.  No caller may change it, or keep it while the history grows."""
        return self._folds.state(self, kind)

    def facts(self, kind: type[F]) -> Iterator[tuple[Record, F]]:
        """All facts of one kind with their records, in order."""
        return ((self.records[place], cast(F, self.records[place].fact)) for place in self._places.get(kind, ()))

    def exports(self, kind: type[E]) -> list[E]:
        return [record for record in self.chain if isinstance(record, kind)]

    def of(self, *kinds: type) -> list[Record]:
        """All records whose facts are of these kinds, in order."""
        places = itertools.chain.from_iterable(self._places.get(kind, ()) for kind in set(kinds))
        return [self.records[place] for place in sorted(places)]

    @cached_property
    def _folds(self) -> Folds:
        return Folds()

    @property
    def _places(self) -> Mapping[type, list[int]]:
        return self._folds.places(self)

    @cached_property
    def kept(self) -> list[tuple[Record, Score]]:
        """Each model that a peer adopted, with its score on the peer's own validation data."""
        models = self.of(Adopted, Trained, Averaged)
        return [(record, score) for record in models if (score := kept_score(record.fact))]

    @cached_property
    def starting_balances(self) -> StartingBalances | None:
        """None if the chain was the session's own, or if its export is missing."""
        return next(iter(self.exports(StartingBalances)), None)

    @cached_property
    def began(self) -> SessionBegan | None:
        return next((fact for _, fact in self.facts(SessionBegan)), None)

    @cached_property
    def session(self) -> Session | None:
        return self.began.session if self.began else None

    @cached_property
    def ended_by(self) -> EndedBy | None:
        """None if the run was killed before it could record its end."""
        return next((fact.ended_by for _, fact in self.facts(SessionEnded)), None)

    @cached_property
    def roster(self) -> dict[str, RosterEntry]:
        return {entry.name: entry for entry in self.began.roster} if self.began else {}

    @cached_property
    def owners(self) -> dict[Address, str]:
        """Names of the peers by their wallets and by those that others pay for them."""
        entries = self.roster.values()
        return {wallet: entry.name for entry in entries for wallet in (entry.wallet, entry.payee)}

    @cached_property
    def honest(self) -> list[str]:
        """Names of the honest peers, sensors left out: summaries of accuracy and money are about them."""
        return [name for name, entry in self.roster.items() if entry.policy is Policy.HONEST and not entry.sensor]

    @property
    def debts(self) -> Mapping[tuple[str, int], list[tuple[float, DebtChanged]]]:
        """The states of each debt with their times, by payer and number."""
        return self.folded(_Debts).changes

    @property
    def seconds(self) -> float:
        """Session time of the last record."""
        return self.records[-1].t if self.records else 0.0


class _Debts(Fold):
    kinds = (DebtChanged,)

    def __init__(self, history: History) -> None:
        self.changes: dict[tuple[str, int], list[tuple[float, DebtChanged]]] = {}

    def add(self, record: Record) -> None:
        assert isinstance(record.fact, DebtChanged)
        self.changes.setdefault((record.peer, record.fact.debt), []).append((record.t, record.fact))
