"""The identity directory across the swarm: each announced claim, and the verdicts of the peers on it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.types import Address, PeerId
from learnae.records.history import History


@dataclass(frozen=True)
class JudgedClaim:
    """A contract that ``claim.sender`` announced.  ``verdicts``: the number of peers per latest verdict."""

    claim: ClaimJudged
    verdicts: Counter[Verdict]

    @property
    def verdict(self) -> Verdict:
        """The verdict of the majority."""
        return self.verdicts.most_common(1)[0][0]

    @property
    def minority(self) -> Iterator[tuple[Verdict, int]]:
        """The other verdicts, each with its number of peers."""
        return ((verdict, count) for verdict, count in self.verdicts.items() if verdict is not self.verdict)


def judged_claims(history: History) -> list[JudgedClaim]:
    """In the order in which the claimed ids are in the roster, unknown ids last; the winner of an id first."""
    latest: dict[tuple[PeerId, Address], dict[str, ClaimJudged]] = {}
    for record, fact in history.facts(ClaimJudged):
        latest.setdefault((fact.sender, fact.contract), {})[record.peer] = fact
    order = {entry.peer: place for place, entry in enumerate(history.roster.values())}
    claims = [_judged_claim(list(verdicts.values())) for verdicts in latest.values()]
    return sorted(
        claims, key=lambda claim: (order.get(claim.claim.poid.peer, len(order)), claim.verdict is not Verdict.WINNER)
    )


def _judged_claim(facts: list[ClaimJudged]) -> JudgedClaim:
    verdicts = Counter(fact.verdict for fact in facts)
    majority = verdicts.most_common(1)[0][0]
    return JudgedClaim(next(fact for fact in facts if fact.verdict is majority), verdicts)
