"""Connections to the feed that a session names."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.ports import Feed
from learnae.session.settings import Session

Connect = Callable[[str], Feed]  # by name of the peer or sensor


@asynccontextmanager
async def open_feeds(session: Session) -> AsyncIterator[Connect]:
    """Connections for peers and sensors of this process.  Starts a broker unless the session names one."""
    broker = MemoryBroker()
    yield lambda name: MemoryFeed(broker)
