"""Replay of journals.  A journal is all the state of a peer: the same events give the same actions.  Each entry has a
digest of its actions, which proves it.
"""

import hashlib
import random
from collections.abc import Iterable, Iterator

from learnae.errors import ReplayMismatch
from learnae.protocol.actions import Action
from learnae.protocol.events import Event
from learnae.protocol.peer import VERSION, Peer
from learnae.protocol.settings import PeerConfig


def new_peer(config: PeerConfig) -> Peer:
    """A peer before its first event.  Its random choices depend on ``config.salt`` only."""
    return Peer(config, random.Random(config.salt))


def digest(actions: list[Action]) -> str:
    """Digest of the actions for one event and of the version of the protocol."""
    return _digest(repr(actions)) if actions else NO_ACTIONS


def _digest(actions: str) -> str:
    return hashlib.sha256(f"{VERSION} {actions}".encode()).hexdigest()[:16]


NO_ACTIONS = _digest("[]")  # most events have none


def replay(config: PeerConfig, entries: Iterable[tuple[Event, str]]) -> Peer:
    """The peer that wrote this journal.  Raises ReplayMismatch if this version acts differently."""
    peer = new_peer(config)
    for _ in replay_steps(peer, entries):
        pass
    return peer


def replay_steps(peer: Peer, entries: Iterable[tuple[Event, str]]) -> Iterator[tuple[Event, list[Action]]]:
    """Handle the events again; yield each with its actions.  Raises ReplayMismatch."""
    for number, (event, expected) in enumerate(entries, start=1):
        actions = peer.handle(event)
        if digest(actions) != expected:
            raise ReplayMismatch(
                f"journal entry {number} ({type(event).__name__}) was written by another version or is damaged: "
                "use the version that wrote it, or start this peer again with a new journal and a new wallet"
            )
        yield event, actions
