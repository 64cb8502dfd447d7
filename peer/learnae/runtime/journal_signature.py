"""A peer signs its journal when its session is over, so that nobody can change or exchange it unnoticed afterwards."""

import asyncio
import time

from learnae.errors import PortError
from learnae.messages.journal_lines import journal_text
from learnae.ports import IdentityKey, Journal
from learnae.protocol.events import Event
from learnae.protocol.settings import PeerConfig

PATIENCE, PAUSE = 10.0, 0.5  # s for which a busy node is asked, and between two attempts


async def journal_signature(
    name: str, key: IdentityKey, config: PeerConfig, journal: Journal, last: tuple[Event, str]
) -> str | None:
    """The signature of the journal, once ``last`` is appended; None if the node with the key does not answer."""
    text = await asyncio.to_thread(lambda: journal_text(name, config, [*journal.replay(), last]))
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await key.sign(text)
        except PortError:
            if time.monotonic() >= until:
                return None
        await asyncio.sleep(PAUSE)
