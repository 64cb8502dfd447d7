"""The identity directory across the swarm: each announced claim, and the verdicts of the peers on it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.types import Address, PeerId
from learnae.records.fold import Fold
from learnae.records.history import History, Record

_Key = tuple[PeerId, Address]  # sender and contract


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
    order = {entry.peer: place for place, entry in enumerate(history.roster.values())}
    return sorted(
        history.folded(_Verdicts).claims(),
        key=lambda claim: (order.get(claim.claim.poid.peer, len(order)), claim.verdict is not Verdict.WINNER),
    )


class _Verdicts(Fold):
    """The latest verdict of each peer on each claim; only claims with new ones are counted again."""

    kinds = (ClaimJudged,)

    def __init__(self, history: History) -> None:
        self._latest: dict[_Key, dict[str, ClaimJudged]] = {}
        self._claims: dict[_Key, JudgedClaim] = {}
        self._changed: set[_Key] = set()

    def add(self, record: Record) -> None:
        assert isinstance(record.fact, ClaimJudged)
        key = record.fact.sender, record.fact.contract
        self._latest.setdefault(key, {})[record.peer] = record.fact
        self._changed.add(key)

    def claims(self) -> list[JudgedClaim]:
        """In the order in which they were first judged."""
        for key in self._changed:
            self._claims[key] = _judged_claim(list(self._latest[key].values()))
        self._changed.clear()
        return [self._claims[key] for key in self._latest]


def _judged_claim(facts: list[ClaimJudged]) -> JudgedClaim:
    verdicts = Counter(fact.verdict for fact in facts)
    majority = verdicts.most_common(1)[0][0]
    return JudgedClaim(next(fact for fact in facts if fact.verdict is majority), verdicts)
