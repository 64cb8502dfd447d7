"""Ways to break the payment of parents (see ``protocol_mutants``)."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.helpers.protocol_mutants import BASE, Mutant, Patch, pays_twice
from tests.helpers.swarms import groups

from learnae.protocol import lineage, reward
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.lineage import Part
from learnae.protocol.publication import Publication
from learnae.protocol.types import ModelRef, Parents, Score, Wei

SPLIT: dict[str, Any] = BASE | {"reward": {"lineage": "0.3"}, "work": {"slices": 6, "patience": 8}}
SPLIT |= groups({"count": 3}, {"count": 2, "has_rows": False})
UNPAID = {"parents_get_their_parts"}
WRONG_SUM = {"amounts_follow_reward_function"}


def owes(patch: Patch, change: Any) -> None:
    """``change``: of the parts that a peer owes for a model."""
    parts_of = lineage.parts_of
    patch.setattr(reward, "parts_of", lambda model, wei, share: change(parts_of(model, wei, share), model))


def forgets_the_parents(patch: Patch) -> None:
    patch.setattr(reward, "parts_of", lambda model, wei, share: [])


def rounds_a_part_up(patch: Patch) -> None:
    owes(patch, lambda parts, model: [replace(part, wei=Wei(part.wei + 1)) for part in parts])


def pays_the_seller_for_the_parents(patch: Patch) -> None:
    def divert(parts: list[Part], model: ModelRef) -> list[Part]:
        return [replace(part, creator=model.creator) for part in parts]

    owes(patch, divert)


def pays_for_twice_the_share(patch: Patch) -> None:
    parts_of = lineage.parts_of
    patch.setattr(reward, "parts_of", lambda model, wei, share: parts_of(model, wei, 2 * Decimal(share)))


def names_itself_as_the_creator_of_both(patch: Patch) -> None:
    named = Publication._parents

    def selfish(self: Publication, remote: ModelRef) -> Parents | None:
        parents = named(self, remote)
        return parents and replace(parents, creators=(self._config.peer, self._config.peer))

    patch.setattr(Publication, "_parents", selfish)


def prices_a_part(patch: Patch, **otherwise: Any) -> None:
    add, names = Debts.add, ("creator", "cid", "before", "after", "wei", "second")

    def wrong(self: Debts, *values: Any, **more: Any) -> DebtChanged:
        arguments = dict(zip(names, values, strict=False)) | more
        return add(self, **(arguments | otherwise if "part_of" in more else arguments))

    patch.setattr(Debts, "add", wrong)


def prices_a_part_from_nothing(patch: Patch) -> None:
    prices_a_part(patch, before=Score(0, 1000))


def prices_a_part_in_another_second(patch: Patch) -> None:
    prices_a_part(patch, second=12345)


MUTANTS = [
    Mutant("forgets the parents", forgets_the_parents, UNPAID | WRONG_SUM, SPLIT),
    Mutant("rounds the part of a parent up", rounds_a_part_up, UNPAID | WRONG_SUM, SPLIT),
    Mutant("pays the seller for the parents", pays_the_seller_for_the_parents, UNPAID, SPLIT),
    Mutant("pays parents twice the share", pays_for_twice_the_share, UNPAID | WRONG_SUM, SPLIT),
    Mutant("prices a part from nothing", prices_a_part_from_nothing, {"parents_get_their_parts"}, SPLIT),
    Mutant("prices a part in another second", prices_a_part_in_another_second, {"parents_get_their_parts"}, SPLIT),
    Mutant("pays parents twice", pays_twice, {"debts_paid_once", "payee_has_earliest_claim"}, SPLIT),
    Mutant(
        "names itself as the creator of both parents",
        names_itself_as_the_creator_of_both,
        {"announced_parents_are_true"},
        SPLIT,
    ),
]
