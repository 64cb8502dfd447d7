"""Ways to break the rules of row blocks, and the checks that must notice (see ``protocol_mutants``)."""

from dataclasses import replace
from typing import Any

from tests.helpers.protocol_mutants import BASE, Mutant, Patch, pays_twice

from learnae.protocol.row_blocks import RowBlocks
from learnae.protocol.row_rewards import RowRewards, price_of_rows
from learnae.protocol.row_types import RowBlock
from learnae.protocol.types import Cid, Score

OPEN = BASE | {"privacy": False}
PRICED = OPEN | {"reward": {"data": "0.02"}}
NEVER = Cid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")


def publishes_private_rows(patch: Patch) -> None:
    begin = RowBlocks.__init__

    def careless(self: RowBlocks, config: Any, *others: Any) -> None:
        begin(self, replace(config, privacy=False), *others)

    patch.setattr(RowBlocks, "__init__", careless)


def conceals_its_rows(patch: Patch) -> None:
    """Its announcement, on which others train, is not on record."""
    stored = RowBlocks.stored

    def silent(self: RowBlocks, cid: Cid) -> None:
        record = self._requests.record
        self._requests.record = lambda decision: None  # type: ignore[method-assign]
        stored(self, cid)
        self._requests.record = record  # type: ignore[method-assign]

    patch.setattr(RowBlocks, "stored", silent)


def trains_on_the_same_rows_again(patch: Patch) -> None:
    draw = RowBlocks.draw

    def repeating(self: RowBlocks, own_left: int) -> RowBlock | None:
        block = draw(self, own_left)
        return self.taken[0] if block else None

    patch.setattr(RowBlocks, "draw", repeating)


def forwards_in_secret(patch: Patch) -> None:
    """The rows of sensors, on which others train, are not on record as announced."""
    fetched = RowBlocks.fetched

    def silent(self: RowBlocks, block: RowBlock) -> None:
        record = self._requests.record
        self._requests.record = lambda decision: None  # type: ignore[method-assign]
        fetched(self, block)
        self._requests.record = record  # type: ignore[method-assign]

    patch.setattr(RowBlocks, "fetched", silent)


def asks_another_price_for_rows(patch: Patch) -> None:
    patch.setattr("learnae.protocol.row_rewards.price_of_rows", lambda *given: price_of_rows(*given) + 1)


def pays_for_rows_that_it_never_used(patch: Patch) -> None:
    trained = RowRewards.trained
    patch.setattr(RowRewards, "trained", lambda self, rows: trained(self, replace(rows, cid=NEVER) if rows else None))


def owes_twice_for_rows(patch: Patch) -> None:
    scored = RowRewards.scored

    def again(self: RowRewards, score: Score | None) -> None:
        used, best = self._used, self._best
        scored(self, score)
        if self._best != best and used:
            self._used, self._best = used, best
            scored(self, score)

    patch.setattr(RowRewards, "scored", again)


def owes_nothing_for_rows(patch: Patch) -> None:
    patch.setattr(RowRewards, "trained", lambda self, rows: None)


INEXACT = {"row_debts_are_exact"}
SENSORS = OPEN | {
    "feed": {"rows": 500},
    "groups": [
        {"count": 2, "bridge": True},
        {"count": 2, "has_rows": False},
        {"sensor": True, "computes": False, "wants_payment": False},
    ],
}
MUTANTS = [
    Mutant("forwards in secret", forwards_in_secret, {"trained_rows_were_announced"}, SENSORS),
    Mutant("publishes private rows", publishes_private_rows, {"private_rows_stay_private"}),
    Mutant("conceals its rows", conceals_its_rows, {"trained_rows_were_announced"}, OPEN),
    Mutant("asks another price for rows", asks_another_price_for_rows, INEXACT, PRICED),
    Mutant("pays for rows that it never used", pays_for_rows_that_it_never_used, INEXACT, PRICED),
    Mutant("owes twice for rows", owes_twice_for_rows, INEXACT, PRICED),
    Mutant("owes nothing for rows", owes_nothing_for_rows, INEXACT, PRICED),
    Mutant("pays twice for rows", pays_twice, {"debts_paid_once", "payee_has_earliest_claim"}, PRICED),
    Mutant("trains on the same rows again", trains_on_the_same_rows_again, {"trained_rows_were_announced"}, OPEN),
]
