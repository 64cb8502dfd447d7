"""A journal is all the state a peer has: the same events give the same actions, and each entry proves it."""

import hashlib
import random
from collections.abc import Iterable, Iterator

from learnae.errors import ReplayMismatch
from learnae.protocol.actions import Action
from learnae.protocol.events import Event
from learnae.protocol.peer import VERSION, Peer
from learnae.protocol.settings import PeerConfig


def new_peer(config: PeerConfig) -> Peer:
    """A peer before its first event; its dice depend on session seed and peer only."""
    return Peer(config, random.Random(config.seed))


def digest(actions: list[Action]) -> str:
    """Of the actions that an event led to, and of the core's version."""
    return hashlib.sha256(f"{VERSION} {actions!r}".encode()).hexdigest()[:16]


def replay(config: PeerConfig, entries: Iterable[tuple[Event, str]]) -> Peer:
    """The peer that wrote this journal; ReplayMismatch if this core would have acted otherwise."""
    peer = new_peer(config)
    for _ in replay_steps(peer, entries):
        pass
    return peer


def replay_steps(peer: Peer, entries: Iterable[tuple[Event, str]]) -> Iterator[tuple[Event, list[Action]]]:
    """Each event and what it led to, as the peer lives through them again.  Raises ReplayMismatch."""
    for number, (event, expected) in enumerate(entries, start=1):
        actions = peer.handle(event)
        if digest(actions) != expected:
            raise ReplayMismatch(
                f"journal entry {number} ({type(event).__name__}) was written by another core version or is damaged: "
                "use the version that wrote it, or start this peer anew with a new journal and a new wallet"
            )
        yield event, actions
