"""What others say about who they are (section 3.2): their claims, read from the chain and entered in the directory.

One claim a sender at a time.  A claim whose contract is not there is looked for again; then it is refused, and looked
at once more whenever it is announced, because a lost block's deployment may have been mined anew.
"""

from functools import partial

from learnae.errors import DOWN, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import ClaimJudged
from learnae.protocol.directory import Directory
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Address, Claim, PeerId

READ_TRIES = 5  # a claim whose contract is not there after so many looks is refused
CLAIMS_PER_SENDER = 3


class Claims:
    def __init__(self, config: PeerConfig, requests: Requests) -> None:
        self._config, self._requests = config, requests
        self.directory = Directory(config.identity)
        self._unread: dict[tuple[PeerId, Claim], int] = {}  # to read with the next poll: how often not found so far

    @property
    def unread(self) -> bool:
        return bool(self._unread)

    def winner(self, peer: PeerId) -> Address | None:
        return self.directory.winner(peer)

    def being_read(self) -> list[tuple[PeerId, Claim]]:
        return [*self._unread, *((each.sender, each.claim) for each in self._requests.asked(do.ReadClaim))]

    def screen(self, sender: PeerId, claim: Claim) -> Reason | None:
        """Why a claim is not worth an event."""
        reading = [each for other, each in self.being_read() if other == sender]
        entry = self.directory.entries.get((sender, claim.contract))
        if claim in reading or (entry and entry.facts and entry.claim == claim):
            return Reason.REPEAT
        contracts = sum(other == sender for other, _ in self.directory.entries)
        return Reason.RATE_LIMIT if reading or (entry is None and contracts >= CLAIMS_PER_SENDER) else None

    def heard(self, sender: PeerId, claim: Claim) -> None:
        entry = self.directory.entries.get((sender, claim.contract))
        self._read(sender, claim, READ_TRIES - 1 if entry and entry.claim == claim else 0)

    def read(self, request: do.ReadClaim, event: on.ClaimRead) -> list[ClaimJudged]:
        return self._record(self.directory.judge(request.sender, request.claim, event.facts))

    def failed(self, request: do.ReadClaim, reason: Reason) -> list[ClaimJudged]:
        if reason in DOWN:
            self._unread[request.sender, request.claim] = request.tries
        elif reason is Reason.NOT_FOUND and request.tries + 1 < READ_TRIES:
            self._unread[request.sender, request.claim] = request.tries + 1
        else:
            return self._record(self.directory.refuse(request.sender, request.claim, reason))
        return []

    def poll(self) -> None:
        unread, self._unread = self._unread, {}
        for (sender, claim), tries in unread.items():
            self._read(sender, claim, tries)

    def doubt(self) -> int:
        """The chain went back: read every claim again, also what is being read.  How many."""
        claims = [(entry.sender, entry.claim) for entry in self.directory.entries.values()]
        self._unread = dict.fromkeys([*claims, *self.being_read()], 0)
        for request in self._requests.asked(do.ReadClaim):
            self._requests.drop(request)
        return len(self._unread)

    def forget(self, sender: PeerId) -> None:
        """It had to make room for another peer."""
        self._unread = {key: tries for key, tries in self._unread.items() if key[0] != sender}
        for request in self._requests.asked(do.ReadClaim):
            if request.sender == sender:
                self._requests.drop(request)
        self._record(self.directory.forget(sender))

    def start_anew(self) -> None:
        """This is another chain."""
        self.directory, self._unread = Directory(self._config.identity), {}

    def _read(self, sender: PeerId, claim: Claim, tries: int) -> None:
        read = partial(do.ReadClaim, session=self._config.session, sender=sender, claim=claim, tries=tries)
        self._requests.ask(read)

    def _record(self, judged: list[ClaimJudged]) -> list[ClaimJudged]:
        for each in judged:
            self._requests.record(each)
        return judged
