"""The roster as a file, made before a live session: who takes part, under which public ids, and when second 0 is.

All peers get the same one, and from it and the session each works out the same manifest, rows and initial weights.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from learnae.errors import InputError
from learnae.messages.codec import decode, encode, from_json, to_json
from learnae.protocol.types import Address, PeerId
from learnae.session.roster import Member, names, roster
from learnae.session.settings import Session

VERSION = 1  # of the file


@dataclass(frozen=True, slots=True)
class PublicIds:
    """What others know one peer by."""

    name: str
    peer: PeerId
    wallet: Address


@dataclass(frozen=True, slots=True)
class Roster:
    """``began``: Unix seconds at second 0 of the session."""

    version: int
    began: float
    peers: tuple[PublicIds, ...]

    @staticmethod
    def of(ids: Iterable[tuple[PeerId, Address]], began: float | None = None) -> "Roster":
        """Peers in order: p00, p01 ..."""
        listed = list(ids)
        named = zip(names(len(listed)), listed, strict=True)
        peers = tuple(PublicIds(name, peer, wallet) for name, (peer, wallet) in named)
        return Roster(VERSION, time.time() if began is None else began, peers)

    @staticmethod
    def read(path: Path) -> "Roster":
        """Raises InputError."""
        try:
            found: Roster = decode(Roster, {"kind": "Roster", **from_json(path.read_text())})
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}: give the roster of the session") from None
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is no roster ({error}): give the file made for this session") from None
        if found.version != VERSION:
            raise InputError(f"{path} is a roster of version {found.version} and this program knows {VERSION}")
        return found

    def write(self, path: Path) -> None:
        path.write_text(to_json({key: value for key, value in encode(self).items() if key != "kind"}) + "\n")

    def members(self, session: Session) -> tuple[Member, ...]:
        """With their roles.  Raises InputError if they are not those of the session."""
        ids = {each.name: (each.peer, each.wallet) for each in self.peers}
        if list(ids) != names(session.peers):
            raise InputError(f"the roster names {len(ids)} peers and the session has {session.peers}: make it anew")
        return roster(session.groups, session.peers, ids.__getitem__)
