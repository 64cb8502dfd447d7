"""The history of a live session, computed from its peers' journals alone.

A live peer reports a decision to its observers after it has journalled the event.  A crash in between loses the report
but not the decision, so the journals are the record and ``learnae audit`` needs nothing else.  Times of different peers
are compared, so the clocks of their machines should differ by less than a model takes from one to the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import get_args

from learnae.adapters.sqlite_journal import JournalContents
from learnae.errors import InputError, ReplayMismatch
from learnae.protocol import actions as do
from learnae.protocol.decisions import Decision
from learnae.protocol.events import SessionClosed
from learnae.protocol.replay import new_peer, replay_steps
from learnae.protocol.types import Cid
from learnae.records.history import SWARM, History, PeerCrashed, PeerRestarted, Record, SessionEnded, session_began
from learnae.records.outcome import BackendName, EndedBy
from learnae.session.roster import Member
from learnae.session.settings import Session

DECISIONS = get_args(Decision)


@dataclass(frozen=True)
class ReplayedJournal:
    """A journal and what its peer decided."""

    contents: JournalContents
    records: tuple[Record, ...]

    @staticmethod
    def of(name: str, contents: JournalContents) -> "ReplayedJournal":
        """Raises InputError like ``decisions``, and if others wrote events that cannot follow each other."""
        try:
            return ReplayedJournal(contents, tuple(decisions(name, contents)))
        except InputError:
            raise
        except Exception as error:  # the events are of any kind, in any order
            raise InputError(f"the journal of {name} cannot be replayed ({type(error).__name__})") from None


def decisions(name: str, journal: JournalContents) -> Iterator[Record]:
    """What one peer decided, and when it restarted: at the time of its first event after the restart.

    Raises InputError if the journal is damaged or was written by another version.
    """
    at, restarts = 0.0, list(journal.restarts)
    try:
        for number, (event, actions) in enumerate(replay_steps(new_peer(journal.config), journal.entries)):
            at = event.at
            while restarts and restarts[0] <= number:
                yield Record(at, name, PeerRestarted())
                restarts.pop(0)
            for action in actions:
                if isinstance(action, do.RecordDecision):
                    yield Record(at, name, action.decision)
    except ReplayMismatch as error:
        raise InputError(f"the journal of {name} cannot be replayed: {error}") from None
    for _ in restarts:
        yield Record(at, name, PeerRestarted())


def merged(
    session: Session,
    members: Sequence[Member],
    journals: Mapping[str, ReplayedJournal],
    observed: Sequence[Record] = (),
) -> tuple[Record, ...]:
    """All peers' records in order of time.  ``journals``: by name; peers whose journal is missing are left out.

    No journal has faults, crashes and readings, which come as ``observed``, and test accuracies, which are missing.
    """
    manifest = next((journal.contents.config.session for journal in journals.values()), Cid(""))
    began = session_began(BackendName.LIVE, session, members, manifest)
    records = [*observed, *(record for journal in journals.values() for record in journal.records)]
    records.sort(key=lambda record: record.t)
    events = ((name, event) for name, journal in journals.items() for event, _ in journal.contents.entries)
    closed = {name: event.at for name, event in events if isinstance(event, SessionClosed)}  # killed then: twice
    ended = []
    if len(closed) == sum(not member.group.sensor for member in members):
        last = max(closed.values())
        by = EndedBy.MAX_DURATION if last >= session.max_duration else EndedBy.QUIET
        ended = [Record(last, SWARM, SessionEnded(by))]
    return (Record(0.0, SWARM, began), *records, *ended)


def contradictions(history: History, journals: Mapping[str, ReplayedJournal]) -> Iterator[str]:
    """A sentence about each peer whose part of the history is not what its journal gives.

    Observers of an interrupted session, or of a peer that crashed, may have missed decisions that are in the journal.
    In one process in real time they see a decision some time after its event.
    """
    assert history.began
    crashed = {record.peer for record, _ in history.facts(PeerCrashed)}
    cut_short = history.ended_by in (None, EndedBy.INTERRUPTED)
    for name, entry in history.roster.items():
        stated = [record for record in history.records if record.peer == name and isinstance(record.fact, DECISIONS)]
        journal = journals.get(name)
        if journal is None:
            if stated:
                yield f"the journal of {name} is missing, but the history has its decisions"
            continue
        config = journal.contents.config
        if (config.peer, config.wallet, config.payout, config.session) != (
            entry.peer,
            entry.wallet,
            entry.payee,
            history.began.manifest,
        ):
            yield f"the journal of {name} is that of another peer or session"
            continue
        given = [record for record in journal.records if isinstance(record.fact, DECISIONS)]
        live = history.began.backend is BackendName.LIVE
        if not live and (name in crashed or cut_short):
            rest = iter(record.fact for record in given)
            if any(all(fact != other for other in rest) for fact in (record.fact for record in stated)):
                yield f"the history has decisions of {name} that are not in its journal"
            continue
        late = history.began.backend is BackendName.EMBEDDED
        for number, (ours, theirs) in enumerate(zip_longest(stated, given), 1):
            if ours is None or theirs is None or not _same(ours, theirs, late):
                yield f"decision {number} of {name} in the history is not the one in its journal"
                break


def _same(stated: Record, given: Record, late: bool) -> bool:
    at, due = round(stated.t, 6), round(given.t, 6)
    return stated.fact == given.fact and (at >= due if late else at == due)
