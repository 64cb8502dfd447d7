"""The local directory (section 3.2): whose wallet is paid for whose models.

For one IPFS id the admitted claim with the smallest (timestamp, block, index) wins; the order of arrival never matters.
Under the rule ``proven``, a claim is admitted if its code, receipt and proof of possession hold.  Under ``paper``, the
paper's own rule, getPoid() and getTimestamp() are believed.

``Directory`` ranks claims; ``ClaimReader`` reads them from the chain, one at a time per sender.  If the contract is not
there, the reader tries again, then refuses the claim.  It tries once more whenever the claim is announced again,
because the deployment may have been mined again after a rollback.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from learnae.errors import DOWN, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.requests import Requests
from learnae.protocol.settings import IdentityRule, PeerConfig
from learnae.protocol.types import Address, Claim, ClaimFacts, PeerId

READ_TRIES = 5  # reads after which a claim whose contract is not there is refused
CLAIMS_PER_SENDER = 3

EntryKey = tuple[PeerId, Address]  # sender and contract


def rank_of(facts: ClaimFacts) -> tuple[int, int, int]:
    """The smallest wins (section 3.2).  All of it is chain time, so that the order of arrival cannot matter."""
    return facts.timestamp, facts.block, facts.index


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """An announced contract.  ``facts`` is None if the chain does not have it."""

    sender: PeerId
    claim: Claim
    facts: ClaimFacts | None
    verdict: Verdict
    reason: Reason | None

    def decision(self) -> ClaimJudged:
        poid = self.facts.poid if self.facts else self.claim.poid
        rank = rank_of(self.facts) if self.facts else (None, None, None)
        return ClaimJudged(self.sender, poid, self.claim.contract, self.verdict, self.reason, *rank)


def refusal(rule: IdentityRule, claim: Claim, facts: ClaimFacts) -> Reason | None:
    """Why a claim is not admitted; None if it is."""
    if rule is IdentityRule.PAPER:
        return None
    checks = (
        (facts.code_matches, Reason.CODE_MISMATCH),
        (facts.receipt_matches, Reason.RECEIPT),
        (facts.poid == claim.poid, Reason.WALLET),
        (facts.signature_valid, Reason.SIGNATURE),
    )
    return next((reason for holds, reason in checks if not holds), None)


def winner_of(creator: PeerId, entries: Iterable[DirectoryEntry]) -> DirectoryEntry | None:
    """The entry whose wallet is paid for the models of ``creator``."""
    for entry in entries:
        if entry.verdict is Verdict.WINNER and entry.facts and entry.facts.poid.peer == creator:
            return entry
    return None


def payee_of(creator: PeerId, entries: Iterable[DirectoryEntry]) -> Address | None:
    """The wallet that is paid for the models of ``creator``."""
    winner = winner_of(creator, entries)
    return winner.facts.poid.wallet if winner and winner.facts else None


class Directory:
    def __init__(self, rule: IdentityRule) -> None:
        self._rule = rule
        # The sender is part of the key, so that a peer that repeats a good claim with a bad proof cannot displace it.
        self.entries: dict[EntryKey, DirectoryEntry] = {}
        self._claims_to: dict[PeerId, dict[EntryKey, None]] = {}  # the entries whose contracts name an id
        self._contracts: Counter[PeerId] = Counter()  # entries of each sender
        self.claimed: set[PeerId] = set()  # the ids to which there is an admitted claim

    def payee(self, creator: PeerId) -> Address | None:
        return payee_of(creator, (self.entries[key] for key in self._claims_to.get(creator, ())))

    def contract(self, creator: PeerId) -> Address | None:
        """The contract that names the payee."""
        winner = winner_of(creator, (self.entries[key] for key in self._claims_to.get(creator, ())))
        return winner.claim.contract if winner else None

    def payer(self, creator: PeerId) -> Address | None:
        """The wallet that pays what this peer owes: it has deployed that contract."""
        winner = winner_of(creator, (self.entries[key] for key in self._claims_to.get(creator, ())))
        return winner.facts.deployer if winner and winner.facts else None

    def contracts(self, sender: PeerId) -> int:
        """Number of contracts that a peer has announced."""
        return self._contracts[sender]

    def judge(self, sender: PeerId, claim: Claim, facts: ClaimFacts) -> list[ClaimJudged]:
        """Enter a claim, or enter it again after a rollback; return every verdict that is new."""
        reason = refusal(self._rule, claim, facts)
        verdict = Verdict.REJECTED if reason else Verdict.DUPLICATE
        before = self._enter(DirectoryEntry(sender, claim, facts, verdict, reason))
        changed = self._rank(facts.poid.peer) if not reason else []
        if before and (reason or before.poid.peer != facts.poid.peer):
            changed += self._rank(before.poid.peer)
        return self._decisions((sender, claim.contract), *changed)

    def refuse(self, sender: PeerId, claim: Claim, reason: Reason) -> list[ClaimJudged]:
        """Enter a claim whose contract the chain does not have, or about which it gives an invalid response."""
        before = self._enter(DirectoryEntry(sender, claim, None, Verdict.REJECTED, reason))
        changed = self._rank(before.poid.peer) if before else []
        return self._decisions((sender, claim.contract), *changed)

    def forget(self, sender: PeerId) -> list[ClaimJudged]:
        """Drop all claims of a sender, to make room; return every verdict that is new."""
        dropped = [self._remove(key) for key in list(self.entries) if key[0] == sender]
        peers = dict.fromkeys(entry.facts.poid.peer for entry in dropped if entry.facts)
        return [decision for peer in peers for decision in self._decisions(*self._rank(peer))]

    def _enter(self, entry: DirectoryEntry) -> ClaimFacts | None:
        """Return the facts of the entry that was replaced."""
        key = (entry.sender, entry.claim.contract)
        before = self.entries.get(key)
        self.entries[key] = entry  # keeps the place that an earlier entry had
        self._contracts[entry.sender] += before is None
        claimed = entry.facts.poid.peer if entry.facts else None
        if before and before.facts and before.facts.poid.peer != claimed:
            del self._claims_to[before.facts.poid.peer][key]
        if claimed is not None:
            self._claims_to.setdefault(claimed, {})[key] = None
        return before.facts if before else None

    def _remove(self, key: EntryKey) -> DirectoryEntry:
        entry = self.entries.pop(key)
        self._contracts[entry.sender] -= 1
        if entry.facts:
            del self._claims_to[entry.facts.poid.peer][key]
        return entry

    def _rank(self, peer: PeerId) -> list[EntryKey]:
        """Rank all admitted claims to one id; return the keys of those whose verdict changed."""
        rivals = [
            (entry.facts, key, entry)
            for key, entry in ((key, self.entries[key]) for key in self._claims_to.get(peer, ()))
            if entry.facts and entry.verdict is not Verdict.REJECTED
        ]
        (self.claimed.add if rivals else self.claimed.discard)(peer)
        rivals.sort(key=lambda rival: rank_of(rival[0]))
        changed = []
        for position, (facts, key, entry) in enumerate(rivals):
            same_wallet = facts.poid.wallet == rivals[0][0].poid.wallet
            verdict = Verdict.WINNER if position == 0 else Verdict.DUPLICATE if same_wallet else Verdict.LATER
            if entry.verdict is not verdict:
                self.entries[key] = replace(entry, verdict=verdict)
                changed.append(key)
        return changed

    def _decisions(self, *keys: EntryKey) -> list[ClaimJudged]:
        return [self.entries[key].decision() for key in dict.fromkeys(keys)]


class ClaimReader:
    def __init__(self, config: PeerConfig, requests: Requests) -> None:
        self._config, self._requests = config, requests
        self.directory = Directory(config.identity)
        self._unread: dict[tuple[PeerId, Claim], int] = {}  # to be read with the next poll; earlier tries

    @property
    def has_unread(self) -> bool:
        return bool(self._unread)

    def being_read(self) -> list[tuple[PeerId, Claim]]:
        """Senders and claims that are being read or wait for the next poll."""
        return [*self._unread, *((request.sender, request.claim) for request in self._requests.open(do.ReadClaim))]

    def screen(self, sender: PeerId, claim: Claim) -> Reason | None:
        """Why a claim is not worth an event; None if it is."""
        reading = [other_claim for other, other_claim in self.being_read() if other == sender]
        entry = self.directory.entries.get((sender, claim.contract))
        if claim in reading or (entry and entry.facts and entry.claim == claim):
            return Reason.REPEAT
        contracts = self.directory.contracts(sender)
        return Reason.RATE_LIMIT if reading or (entry is None and contracts >= CLAIMS_PER_SENDER) else None

    def receive(self, sender: PeerId, claim: Claim) -> None:
        entry = self.directory.entries.get((sender, claim.contract))
        self._read(sender, claim, READ_TRIES - 1 if entry and entry.claim == claim else 0)

    def claim_read(self, request: do.ReadClaim, event: on.ClaimRead) -> list[ClaimJudged]:
        return self._record(self.directory.judge(request.sender, request.claim, event.facts))

    def read_failed(self, request: do.ReadClaim, reason: Reason) -> None:
        if reason in DOWN:
            self._unread[request.sender, request.claim] = request.tries
        elif reason is Reason.NOT_FOUND and request.tries + 1 < READ_TRIES:
            self._unread[request.sender, request.claim] = request.tries + 1
        else:
            self._record(self.directory.refuse(request.sender, request.claim, reason))

    def poll(self) -> None:
        unread, self._unread = self._unread, {}
        for (sender, claim), tries in unread.items():
            self._read(sender, claim, tries)

    def mark_for_recheck(self) -> int:
        """Read every claim again after a rollback, also those that are being read; return their number."""
        claims = [(entry.sender, entry.claim) for entry in self.directory.entries.values()]
        self._unread = dict.fromkeys([*claims, *self.being_read()], 0)
        self._requests.abandon_all(do.ReadClaim)
        return len(self._unread)

    def forget(self, sender: PeerId) -> None:
        """Drop the claims of a peer that had to make room for another."""
        self._unread = {key: tries for key, tries in self._unread.items() if key[0] != sender}
        for request in self._requests.open(do.ReadClaim):
            if request.sender == sender:
                self._requests.abandon(request)
        self._record(self.directory.forget(sender))

    def reset(self) -> None:
        """Begin again on another chain, which has other contracts."""
        self.directory, self._unread = Directory(self._config.identity), {}

    def _read(self, sender: PeerId, claim: Claim, tries: int) -> None:
        read = partial(do.ReadClaim, session=self._config.session, sender=sender, claim=claim, tries=tries)
        self._requests.issue(read)

    def _record(self, decisions: list[ClaimJudged]) -> list[ClaimJudged]:
        for decision in decisions:
            self._requests.record(decision)
        return decisions
