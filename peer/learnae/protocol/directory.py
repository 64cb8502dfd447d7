"""The local directory of section 3.2: who is paid for whose models.

For one IPFS id the admitted claim with the least (timestamp, block, index) wins; order of arrival never matters.
Admitted under ``proven``: claims whose code, receipt and proof of possession hold.  Under ``paper``, the paper's own
rule: whatever getPoid() and getTimestamp() return.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from learnae.errors import Reason
from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.types import Address, Claim, ClaimFacts, PeerId

EntryKey = tuple[PeerId, Address]  # sender and contract


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One contract that was announced.  ``facts`` is None where the chain had nothing to say."""

    sender: PeerId
    claim: Claim
    facts: ClaimFacts | None
    verdict: Verdict
    reason: Reason | None

    def judged(self) -> ClaimJudged:
        poid = self.facts.poid if self.facts else self.claim.poid
        rank = self.facts.rank if self.facts else (None, None, None)
        return ClaimJudged(self.sender, poid, self.claim.contract, self.verdict, self.reason, *rank)


def refusal(policy: str, claim: Claim, facts: ClaimFacts) -> Reason | None:
    """Why a claim is not admitted; None if it is."""
    if policy == "paper":
        return None
    checks = (
        (facts.code_matches, Reason.CODE_MISMATCH),
        (facts.receipt_matches, Reason.RECEIPT),
        (facts.poid == claim.poid, Reason.WALLET),
        (facts.signature_valid, Reason.SIGNATURE),
    )
    return next((reason for holds, reason in checks if not holds), None)


def winner(entries: Iterable[DirectoryEntry], peer: PeerId) -> Address | None:
    """The wallet that is paid for this peer's models."""
    for entry in entries:
        if entry.verdict is Verdict.WINNER and entry.facts and entry.facts.poid.peer == peer:
            return entry.facts.poid.wallet
    return None


class Directory:
    def __init__(self, policy: str) -> None:
        self._policy = policy
        # The sender is part of the key, so that a peer that repeats a good claim with a bad proof cannot displace it.
        self.entries: dict[EntryKey, DirectoryEntry] = {}

    def winner(self, peer: PeerId) -> Address | None:
        return winner(self.entries.values(), peer)

    def judge(self, sender: PeerId, claim: Claim, facts: ClaimFacts) -> list[ClaimJudged]:
        """Enter a claim, or enter it again after a rollback; return every verdict that is new."""
        key = (sender, claim.contract)
        before = self.entries.get(key)
        reason = refusal(self._policy, claim, facts)
        verdict = Verdict.REJECTED if reason else Verdict.DUPLICATE
        self.entries[key] = DirectoryEntry(sender, claim, facts, verdict, reason)
        changed = self._rank(facts.poid.peer) if not reason else []
        if before and before.facts and (reason or before.facts.poid.peer != facts.poid.peer):
            changed += self._rank(before.facts.poid.peer)
        return self._judged(key, *changed)

    def refuse(self, sender: PeerId, claim: Claim, reason: Reason) -> list[ClaimJudged]:
        """Enter a claim whose contract the chain does not have, or about which it gives an invalid response."""
        key = (sender, claim.contract)
        before = self.entries.get(key)
        self.entries[key] = DirectoryEntry(sender, claim, None, Verdict.REJECTED, reason)
        changed = self._rank(before.facts.poid.peer) if before and before.facts else []
        return self._judged(key, *changed)

    def forget(self, sender: PeerId) -> list[ClaimJudged]:
        """Drop what this sender announced, to make room; return every verdict that is new."""
        dropped = [entry for entry in self.entries.values() if entry.sender == sender]
        self.entries = {key: entry for key, entry in self.entries.items() if entry.sender != sender}
        peers = dict.fromkeys(entry.facts.poid.peer for entry in dropped if entry.facts)
        return [judged for peer in peers for judged in self._judged(*self._rank(peer))]

    def _rank(self, peer: PeerId) -> list[EntryKey]:
        """Judge all admitted claims on one id against each other; return the keys of those whose verdict changed."""
        rivals = [
            (entry.facts, key, entry)
            for key, entry in self.entries.items()
            if entry.facts and entry.verdict is not Verdict.REJECTED and entry.facts.poid.peer == peer
        ]
        rivals.sort(key=lambda rival: rival[0].rank)
        changed = []
        for position, (facts, key, entry) in enumerate(rivals):
            same = facts.poid.wallet == rivals[0][0].poid.wallet
            verdict = Verdict.WINNER if position == 0 else Verdict.DUPLICATE if same else Verdict.LATER
            if entry.verdict is not verdict:
                self.entries[key] = replace(entry, verdict=verdict)
                changed.append(key)
        return changed

    def _judged(self, *keys: EntryKey) -> list[ClaimJudged]:
        return [self.entries[key].judged() for key in dict.fromkeys(keys)]
