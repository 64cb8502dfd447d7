"""Which gossip is worth an event of a peer.  What is dropped reaches no journal, so that nobody can fill it."""

from typing import assert_never

from learnae.errors import Reason
from learnae.protocol import events as on
from learnae.protocol.directory import ClaimReader
from learnae.protocol.events import Announcement, IdentityAnnouncement, ModelAnnouncement
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.row_blocks import RowBlocks
from learnae.protocol.row_types import RowsAnnouncement, RowsReceived
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import PeerId


class Screening:
    def __init__(self, config: PeerConfig, peer_book: PeerBook, rows: RowBlocks, claims: ClaimReader) -> None:
        self._config, self._peer_book, self._rows, self._claims = config, peer_book, rows, claims

    def event(self, sender: PeerId, announcement: Announcement, at: float) -> on.Event | Reason:
        """The event for an announcement, or why it is dropped."""
        if announcement.session != self._config.session:
            return Reason.SESSION
        if sender == self._config.peer:
            return Reason.REPEAT
        if not self._peer_book.has_room_for(sender):
            return Reason.PEER_LIMIT
        match announcement:
            case ModelAnnouncement(model=model):
                if model.creator != sender:
                    return Reason.SENDER
                return self._peer_book.screen_model(announcement) or on.ModelReceived(at, announcement)
            case RowsAnnouncement():
                return self._rows.screen(announcement) or RowsReceived(at, sender, announcement)
            case IdentityAnnouncement(claim=claim, addresses=addresses):
                reason = self._peer_book.screen_claim(sender) or self._claims.screen(sender, claim)
                return reason or on.ClaimReceived(at, sender, claim, addresses)
            case _:
                assert_never(announcement)
