"""A session as JSON lines: the records observers write, the chain's export, and the whole read back.  Pure.

``history.jsonl`` holds one ``Record`` a line, ``{"t":1.25,"peer":"p07","kind":"Averaged",...}``: what peers decided and
what the driver saw, in the order it happened.  ``chain.jsonl`` holds the ledger as it stood at the end: ``Genesis``,
``StartingBalances`` on an external chain, each ``Block``, ``Balances``.  After a crash the end of the last line may
be missing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from learnae.errors import InputError
from learnae.messages.codec import decode, encode, from_json, to_json
from learnae.protocol.decisions import Adopted, Averaged, DebtChanged, Decision, Trained
from learnae.protocol.types import Address, Cid, PeerId, Policy, Score
from learnae.records.chain_export import ChainRecord, StartingBalances
from learnae.records.outcome import BackendName, EndedBy
from learnae.session.faults import FaultKind

VERSION = 2  # of both files; SessionBegan states it
SWARM = "swarm"  # the ``peer`` of records that are about no single peer

T = TypeVar("T")
F = TypeVar("F", bound="Fact")
E = TypeVar("E", bound="ChainRecord")


# what a driver adds to the peers' facts
@dataclass(frozen=True, slots=True)
class RosterEntry:
    """Who ``name`` is: public ids and role."""

    name: str
    peer: PeerId
    wallet: Address
    has_rows: bool
    trains: bool
    wants_payment: bool
    policy: Policy


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """First record, of ``swarm``.  ``session``: config.Session with every default resolved, as JSON."""

    version: int
    backend: BackendName
    session: dict[str, Any]
    roster: tuple[RosterEntry, ...]
    manifest: Cid


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Accuracy on held-out rows no peer has, of a model of this peer.  Scored by the command; no peer learns it.

    ``own``: on such rows of the peer's own distribution, where that is not everybody's.
    """

    cid: Cid
    step: int
    test: Score
    own: Score | None = None


@dataclass(frozen=True, slots=True)
class PeerCrashed:
    pass


@dataclass(frozen=True, slots=True)
class PeerRestarted:
    pass


class Effect(StrEnum):
    APPLIED = "applied"  # it was seen to hold something up
    INEFFECTIVE = "ineffective"


@dataclass(frozen=True, slots=True)
class FaultsPlanned:
    """Of ``swarm``: the plan's second 0.  ``windows``: how many it has."""

    windows: int


@dataclass(frozen=True, slots=True)
class FaultBegan:
    """Of ``swarm``.  ``window``: its number in the plan, from 0.  ``sides``: who may still talk with each other."""

    window: int
    fault: FaultKind
    targets: tuple[str, ...]
    sides: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FaultEnded:
    """Of ``swarm``: it was healed."""

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
    | PeerCrashed
    | PeerRestarted
    | FaultsPlanned
    | FaultBegan
    | FaultEnded
    | SessionEnded
)


def kept_score(fact: Fact) -> Score | None:
    """Validation accuracy of the model that a peer goes on with after ``fact``; None if that is another matter."""
    match fact:
        case Adopted(score=score) | Trained(score=score) | Averaged(adopted=True, after=score):
            return score
    return None


# one line each, without its end
@dataclass(frozen=True, slots=True)
class Record:
    """``t`` in session seconds, written to the microsecond; ``peer`` is a name of the roster, or ``swarm``."""

    t: float
    peer: str
    fact: Fact

    def line(self) -> str:
        return to_json({"t": round(self.t, 6), "peer": self.peer, **encode(self.fact)})


def _record(value: Any) -> Record:
    match value:
        case {"t": float() | int() as t, "peer": str(peer), **fact} if type(t) is not bool:
            return Record(float(t), peer, decode(Fact, fact))
    raise ValueError("a record has a time t and a peer")


def _chain_record(value: Any) -> Any:
    return decode(ChainRecord, value)


def _parse(name: str, lines: Iterable[str], read: Callable[[Any], T]) -> tuple[tuple[T, ...], bool]:
    """The records, and whether the last line broke off: it is not JSON, and nothing follows it."""
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
            broken = InputError(f"{name}, line {number} is not JSON ({error}): take the file as the run wrote it")
            continue
        try:
            parsed.append(read(value))
        except ValueError as error:
            raise InputError(f"{name}, line {number} is no record of version {VERSION}: {error}") from error
    return tuple(parsed), broken is not None


@dataclass(frozen=True)
class History:
    """A session, whole or as far as it was written.  ``truncated``: the last line of a file broke off."""

    records: tuple[Record, ...]
    chain: tuple[ChainRecord, ...] = ()
    truncated: bool = False

    @staticmethod
    def parse(history: Iterable[str], chain: Iterable[str] = ()) -> "History":
        """From the lines of the two files.  Raises InputError naming the line that is no record."""
        records, broken = _parse("history.jsonl", history, _record)
        ledger, torn = _parse("chain.jsonl", chain, _chain_record)
        return History(records, ledger, broken or torn)

    def facts(self, kind: type[F]) -> Iterator[tuple[Record, F]]:
        """All facts of a kind with their records, in order."""
        return ((record, record.fact) for record in self._by_kind.get(kind, ()))

    def exports(self, kind: type[E]) -> list[E]:
        return [record for record in self.chain if isinstance(record, kind)]

    def of(self, *kinds: type) -> list[Record]:
        """Records whose facts are of these kinds, in order."""
        wanted = set(kinds)
        return [record for record in self.records if type(record.fact) in wanted]

    @cached_property
    def _by_kind(self) -> dict[type, list[Any]]:
        """Whoever asks for one kind need not look at all the others."""
        kinds: dict[type, list[Any]] = defaultdict(list)
        for record in self.records:
            kinds[type(record.fact)].append(record)
        return kinds

    @cached_property
    def worked(self) -> list[tuple[Record, Trained | Averaged]]:
        """Slices that were trained and averagings that were scored, in order."""
        return [(each, each.fact) for each in self.of(Trained, Averaged) if isinstance(each.fact, Trained | Averaged)]

    @cached_property
    def kept(self) -> list[tuple[Record, Score]]:
        """Of each model that a peer went on with: its score on the peer's own validation rows."""
        return [(each, score) for each in self.of(Adopted, Trained, Averaged) if (score := kept_score(each.fact))]

    @cached_property
    def opening(self) -> StartingBalances | None:
        """None: the chain was this session's own, or its export is missing."""
        return next(iter(self.exports(StartingBalances)), None)

    @cached_property
    def began(self) -> SessionBegan | None:
        return next((fact for _, fact in self.facts(SessionBegan)), None)

    @cached_property
    def ended_by(self) -> EndedBy | None:
        """None: the run died before it could say."""
        return next((fact.ended_by for _, fact in self.facts(SessionEnded)), None)

    @cached_property
    def roster(self) -> dict[str, RosterEntry]:
        return {entry.name: entry for entry in self.began.roster} if self.began else {}

    @cached_property
    def honest(self) -> list[str]:
        """Names of those whose quality and money a summary is about (DESIGN section 8)."""
        return [name for name, entry in self.roster.items() if entry.policy is Policy.HONEST]

    @cached_property
    def debts(self) -> dict[tuple[str, int], list[tuple[float, DebtChanged]]]:
        """What became of each debt, by payer and number, with the times of its changes."""
        changes: dict[tuple[str, int], list[tuple[float, DebtChanged]]] = {}
        for record, fact in self.facts(DebtChanged):
            changes.setdefault((record.peer, fact.debt), []).append((record.t, fact))
        return changes

    @property
    def seconds(self) -> float:
        """Session time of the last record."""
        return self.records[-1].t if self.records else 0.0
