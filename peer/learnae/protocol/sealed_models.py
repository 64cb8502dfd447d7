"""Sealed models (``[defence] access``): a peer announces its model for those that pay, and reads what is sealed for it.

``Publication`` announces, and ``PeerBook`` holds the keys.  A model is announced again at once when others than before
may read it: when a claim was judged, or payments were read.
"""

from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Head, PaymentsRead
from learnae.protocol.decisions import ModelLocked
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.publication import Publication
from learnae.protocol.requests import Requests
from learnae.protocol.rules import Rule
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import ModelRef


class SealedModels(Rule):
    def __init__(self, config: PeerConfig, requests: Requests, peer_book: PeerBook, publication: Publication) -> None:
        self.applies = config.defence.sealed
        self._requests, self._peer_book, self._publication = requests, peer_book, publication

    def model_received(self, model: ModelRef) -> None:
        if not self._peer_book.can_read(model):
            self._requests.record(ModelLocked(model.creator, model.weights.cid))

    def answered(self, request: do.Request, event: on.Answer) -> None:
        if isinstance(event, on.ClaimRead | PaymentsRead):
            self._publication.readers_may_have_changed()

    def rolled_back(self, head: Head) -> None:
        self._publication.readers_may_have_changed()
