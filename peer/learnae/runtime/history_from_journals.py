"""The history of a live session, computed from its peers' journals alone.

A live peer reports a decision to its observers after it has journalled the event.  A crash in between loses the report
but not the decision, so the journals are the record and ``learnae audit`` needs nothing else.  Times of different peers
are compared, so the clocks of their machines should differ by less than a model takes from one to the other.
"""

from collections.abc import Iterator, Mapping, Sequence

from learnae.adapters.sqlite_journal import JournalContents
from learnae.errors import InputError, ReplayMismatch
from learnae.protocol import actions as do
from learnae.protocol.events import SessionClosed
from learnae.protocol.replay import new_peer, replay_steps
from learnae.protocol.types import Cid
from learnae.records.history import SWARM, PeerRestarted, Record, SessionEnded, session_began
from learnae.records.outcome import BackendName, EndedBy
from learnae.session.roster import Member
from learnae.session.settings import Session


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
        raise InputError(f"{name}.sqlite cannot be replayed: {error}") from None
    for _ in restarts:
        yield Record(at, name, PeerRestarted())


def merged(
    session: Session,
    members: Sequence[Member],
    journals: Mapping[str, JournalContents],
    observed: Sequence[Record] = (),
) -> tuple[Record, ...]:
    """All peers' records in order of time.  ``journals``: by name; peers whose journal is missing are left out.

    No journal has faults and crashes, which come as ``observed``, and test accuracies, which are missing.
    """
    manifest = next((journal.config.session for journal in journals.values()), Cid(""))
    began = session_began(BackendName.LIVE, session, members, manifest)
    records = [*observed, *(record for name, journal in journals.items() for record in decisions(name, journal))]
    records.sort(key=lambda record: record.t)
    events = ((name, event) for name, journal in journals.items() for event, _ in journal.entries)
    closed = {name: event.at for name, event in events if isinstance(event, SessionClosed)}  # killed then: twice
    ended = []
    if len(closed) == len(members):
        last = max(closed.values())
        by = EndedBy.MAX_DURATION if last >= session.max_duration else EndedBy.QUIET
        ended = [Record(last, SWARM, SessionEnded(by))]
    return (Record(0.0, SWARM, began), *records, *ended)
