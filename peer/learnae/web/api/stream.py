"""Records as server-sent events.  An event's id is its record's number, so that a reader can resume."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query
from fastapi.sse import ServerSentEvent

from learnae.web.event_log import EventLog

After = Annotated[int, Query(ge=-1, le=2**53, description="number of the last record that the client has")]
LastEventId = Annotated[int | None, Header(ge=-1, le=2**53)]


async def record_events(log: EventLog, after: int, last_event_id: int | None) -> AsyncIterator[ServerSentEvent]:
    """The records that the reader does not have, and all later ones until the log is closed."""
    async for number, record in log.follow(last_seen(log, after, last_event_id)):
        yield ServerSentEvent(raw_data=record.line(), id=str(number))


def last_seen(log: EventLog, after: int, last_event_id: int | None) -> int:
    """Number of the last record that the reader has; -1 if it belongs to another session."""
    last = after if last_event_id is None else last_event_id
    return last if last < len(log.records) else -1
