"""roster.json, written before a live session: the peers, their public ids, and when second 0 is.

All peers read the same file.  From it and the session file each computes the same manifest and initial weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from learnae.errors import InputError
from learnae.input_file import read_input
from learnae.messages.codec import decode, encode, to_json
from learnae.messages.foreign_json import from_json
from learnae.protocol.types import Address, PeerId
from learnae.runtime.clocks import Moment
from learnae.session.roster import Member, names
from learnae.session.roster import roster as members_of
from learnae.session.settings import Session

VERSION = 1  # of the file


@dataclass(frozen=True, slots=True)
class PublicIds:
    """The public ids of one peer.  ``addresses``: multiaddrs of its IPFS node, as far as they are known."""

    name: str
    peer: PeerId
    wallet: Address
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roster:
    """``zero``: second 0 of the session."""

    version: int
    zero: Moment
    peers: tuple[PublicIds, ...]

    @staticmethod
    def of(
        ids: Iterable[tuple[PeerId, Address]],
        zero: Moment | None = None,
        addresses: Mapping[PeerId, tuple[str, ...]] | None = None,
    ) -> "Roster":
        """Peers in order: p00, p01 ...  Second 0 is now by default."""
        listed = list(ids)
        named = zip(names(len(listed)), listed, strict=True)
        known = addresses or {}
        peers = tuple(PublicIds(name, peer, wallet, known.get(peer, ())) for name, (peer, wallet) in named)
        return Roster(VERSION, zero or Moment.now(), peers)

    @staticmethod
    def read(path: Path) -> "Roster":
        """Raises InputError."""
        try:
            roster: Roster = decode(Roster, {"kind": "Roster", **from_json(read_input(path))})
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}: give the roster of the session") from None
        except (ValueError, TypeError) as error:
            raise InputError(f"{path} is not a roster ({error}): give the file made for this session") from None
        if roster.version != VERSION:
            raise InputError(f"{path} is a roster of version {roster.version} and this program knows {VERSION}")
        return roster

    def write(self, path: Path) -> None:
        path.write_text(
            to_json({key: value for key, value in encode(self).items() if key != "kind"}) + "\n", encoding="utf-8"
        )

    def members(self, session: Session) -> tuple[Member, ...]:
        """The session's members with these ids.  Raises InputError if the roster is of another session."""
        public = {ids.name: (ids.peer, ids.wallet) for ids in self.peers}
        if list(public) != names(session.peers):
            raise InputError(f"the roster names {len(public)} peers and the session has {session.peers}: make it anew")
        return members_of(session.groups, session.peers, public.__getitem__, session.privacy)
