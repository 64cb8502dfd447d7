"""Row blocks of an open session (``row_blocks.py``): values, events, actions and decisions."""

from dataclasses import dataclass

from learnae.protocol.types import Answering, Asking, Cid, PeerId, Timed


@dataclass(frozen=True, slots=True)
class RowBlock:
    """A block of training rows.  ``number`` counts the creator's blocks from 1.

    The block does not name its creator, so that the same rows have the same CID under any name.
    """

    creator: PeerId
    number: int
    cid: Cid


def cid_of(rows: RowBlock | None) -> Cid | None:
    return rows.cid if rows else None


@dataclass(frozen=True, slots=True)
class RowsAnnouncement:
    """``signature``: of the creator, who need not be the sender."""

    session: Cid
    rows: RowBlock
    signature: str
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowsReceived(Timed):
    """An announced row block that passed ``Peer.screen``.  The driver has verified the signature of its creator."""

    sender: PeerId
    announcement: RowsAnnouncement


@dataclass(frozen=True, slots=True)
class RowsPacked(Answering):
    """The driver keeps the block."""

    cid: Cid


@dataclass(frozen=True, slots=True)
class RowsSigned(Answering):
    signature: str


@dataclass(frozen=True, slots=True)
class PackRows(Asking):
    """Make a block of one of the peer's slices.  Answered by ``RowsPacked``.  ``flips``: share of wrong labels."""

    slice: int
    flips: float


@dataclass(frozen=True, slots=True)
class SignRows(Asking):
    """Sign a row block of the peer's own with its IPFS key.  Answered by ``RowsSigned``."""

    cid: Cid
    number: int
    session: Cid


@dataclass(frozen=True, slots=True)
class RowsPublished:
    """The row block is in the store and has been announced."""

    number: int
    cid: Cid


@dataclass(frozen=True, slots=True)
class RowsFetched:
    """A row block of another peer has arrived."""

    creator: PeerId
    cid: Cid


@dataclass(frozen=True, slots=True)
class RowsForwarded:
    """The rows of a sensor's reading are in the store and have been announced under the sensor's name."""

    sensor: PeerId
    number: int
    cid: Cid
