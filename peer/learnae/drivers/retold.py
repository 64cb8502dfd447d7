"""The history of a live session, from nothing but its peers' journals.

A live peer tells its observers what it decided after the event is journalled, and a crash may come in between: the
journal misses nothing, what was printed may.  So the journals are the record, and ``learnae audit`` needs nothing else.
Times of different peers are compared: their machines' clocks should agree better than a model travels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from learnae.config import Session, resolved
from learnae.core import actions as do
from learnae.core.events import Event, SessionClosed
from learnae.core.replay import new_peer, retell
from learnae.core.types import Cid, PeerConfig
from learnae.drivers.composition import roster_entries
from learnae.history import SWARM, VERSION, Record, SessionBegan, SessionEnded
from learnae.roster import Member

Told = tuple[PeerConfig, Sequence[tuple[Event, str]]]


def decisions(name: str, config: PeerConfig, entries: Iterable[tuple[Event, str]]) -> Iterator[Record]:
    """What one peer decided, and when.  Raises ReplayMismatch."""
    for event, actions in retell(new_peer(config), entries):
        for action in actions:
            if isinstance(action, do.Record):
                yield Record(event.at, name, action.fact)


def merged(session: Session, members: Sequence[Member], told: Mapping[str, Told]) -> tuple[Record, ...]:
    """All peers' records in order of time.  ``told``: by name; who has no journal is missing from it.

    What no journal knows is not in them: crashes, restarts, and accuracies on test rows.
    """
    manifest = next((config.session for config, _ in told.values()), Cid(""))
    began = SessionBegan(VERSION, "live", resolved(session), roster_entries(members), manifest)
    records = [record for name, (config, entries) in told.items() for record in decisions(name, config, entries)]
    records.sort(key=lambda record: record.t)
    closed = [entry[0].at for _, entries in told.values() for entry in entries if isinstance(entry[0], SessionClosed)]
    ended = []
    if len(closed) == len(members):
        ended_by = "max_duration" if max(closed) >= session.max_duration else "quiet"
        ended = [Record(max(closed), SWARM, SessionEnded(ended_by))]
    return (Record(0.0, SWARM, began), *records, *ended)
