"""The records on a board as server-sent events; an event's id is its record's number, so whoever comes back resumes."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Header, Query
from fastapi.sse import ServerSentEvent

from learnae.web.event_log import EventLog

After = Annotated[int, Query(ge=-1, le=2**53, description="the number of the last record that was seen")]
LastEventId = Annotated[int | None, Header(ge=-1, le=2**53)]


async def record_events(board: EventLog, after: int, last_event_id: int | None) -> AsyncIterator[ServerSentEvent]:
    """Those the reader has not seen, and those to come until the board is closed."""
    async for number, record in board.follow(last_seen(board, after, last_event_id)):
        yield ServerSentEvent(raw_data=record.line(), id=str(number))


def last_seen(board: EventLog, after: int, last_event_id: int | None) -> int:
    """Number of the last record that a reader has; -1 if that is one of another session."""
    last = after if last_event_id is None else last_event_id
    return last if last < len(board.records) else -1
