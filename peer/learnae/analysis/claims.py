"""The directory as the swarm has it: each claim to an identity that was announced, and what peers think of it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.types import Address, PeerId
from learnae.records.history import History


@dataclass(frozen=True)
class JudgedClaim:
    """A contract that ``claim.sender`` announced.  ``verdicts``: by how many peers each, as they judged it last."""

    claim: ClaimJudged
    verdicts: Counter[Verdict]

    @property
    def verdict(self) -> Verdict:
        """What most say."""
        return self.verdicts.most_common(1)[0][0]

    @property
    def others(self) -> Iterator[tuple[Verdict, int]]:
        return ((verdict, count) for verdict, count in self.verdicts.items() if verdict is not self.verdict)


def judged_claims(history: History) -> list[JudgedClaim]:
    """By the id that is claimed, in the order of the roster, whoever is in nobody's roster last; the winner first."""
    last: dict[tuple[PeerId, Address], dict[str, ClaimJudged]] = {}
    for record, fact in history.facts(ClaimJudged):
        last.setdefault((fact.sender, fact.contract), {})[record.peer] = fact
    order = {entry.peer: place for place, entry in enumerate(history.roster.values())}
    found = [_judged(list(said.values())) for said in last.values()]
    return sorted(
        found, key=lambda each: (order.get(each.claim.poid.peer, len(order)), each.verdict is not Verdict.WINNER)
    )


def _judged(said: list[ClaimJudged]) -> JudgedClaim:
    verdicts = Counter(each.verdict for each in said)
    most = verdicts.most_common(1)[0][0]
    return JudgedClaim(next(each for each in said if each.verdict is most), verdicts)
