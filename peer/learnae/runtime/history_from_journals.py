"""The history of a live session, from nothing but its peers' journals.

A live peer tells its observers what it decided after the event is journalled, and a crash may come in between: the
journal misses nothing, what was printed may.  So the journals are the record, and ``learnae audit`` needs nothing else.
Times of different peers are compared: their machines' clocks should agree better than a model travels.
"""

from collections.abc import Iterator, Mapping, Sequence

from learnae.adapters.sqlite_journal import Recorded
from learnae.errors import InputError, ReplayMismatch
from learnae.protocol import actions as do
from learnae.protocol.events import Event, SessionClosed
from learnae.protocol.replay import new_peer, replay_steps
from learnae.protocol.types import Cid
from learnae.records.history import SWARM, VERSION, PeerRestarted, Record, SessionBegan, SessionEnded
from learnae.records.outcome import BackendName, EndedBy
from learnae.runtime.setup import roster_entries
from learnae.session.roster import Member
from learnae.session.session_file import resolved
from learnae.session.settings import Session


def decisions(name: str, told: Recorded) -> Iterator[Record]:
    """What one peer decided, and when; it restarted when it was told the next thing.

    InputError: told by another core, or damaged.
    """
    at, restarts = 0.0, list(told.restarts)
    for number, (event, actions) in enumerate(_retold(name, told)):
        at = event.at
        while restarts and restarts[0] <= number:
            yield Record(at, name, PeerRestarted())
            restarts.pop(0)
        for action in actions:
            if isinstance(action, do.RecordDecision):
                yield Record(at, name, action.decision)
    for _ in restarts:
        yield Record(at, name, PeerRestarted())


def _retold(name: str, told: Recorded) -> Iterator[tuple[Event, list[do.Action]]]:
    try:
        yield from replay_steps(new_peer(told.config), told.entries)
    except ReplayMismatch as error:
        raise InputError(f"{name}.sqlite cannot be replayed: {error}") from None


def merged(
    session: Session, members: Sequence[Member], told: Mapping[str, Recorded], seen: Sequence[Record] = ()
) -> tuple[Record, ...]:
    """All peers' records in order of time.  ``told``: by name; who has no journal is missing from it.

    What no journal knows is not in them: accuracies on test rows, and what only a driver has ``seen``: faults, crashes.
    """
    manifest = next((each.config.session for each in told.values()), Cid(""))
    began = SessionBegan(VERSION, BackendName.LIVE, resolved(session), roster_entries(members), manifest)
    records = [*seen, *(record for name, each in told.items() for record in decisions(name, each))]
    records.sort(key=lambda record: record.t)
    closes = ((name, event) for name, each in told.items() for event, _ in each.entries)
    closed = {name: event.at for name, event in closes if isinstance(event, SessionClosed)}  # twice if killed then
    ended = []
    if len(closed) == len(members):
        last = max(closed.values())
        by = EndedBy.MAX_DURATION if last >= session.max_duration else EndedBy.QUIET
        ended = [Record(last, SWARM, SessionEnded(by))]
    return (Record(0.0, SWARM, began), *records, *ended)
