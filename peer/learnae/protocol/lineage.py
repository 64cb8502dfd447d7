"""Which parts of a reward go to those on whose models the adopted one is built (``reward.lineage``).

The paper pays the creator of an adopted model alone.  This rule is the project's own:

1. Who adopts a model that names its parents owes half of ``lineage`` of the reward, rounded down, to the creator of
   each parent.  The creator of the adopted model gets the rest.
2. The part of a parent that the creator of the adopted model has made itself stays with it.  The part of a parent that
   the payer has made is not paid at all.
3. It goes one generation back: the parents of parents get nothing.
4. Of a model that names no parents its creator gets everything.  A trainer that holds the parents verifies that the
   model is their average and who has made them, but nobody can tell an average without parents from a trained model.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from learnae.protocol.types import Cid, ModelRef, PeerId, Wei


@dataclass(frozen=True, slots=True)
class Part:
    """Of a reward: for one parent."""

    creator: PeerId
    cid: Cid
    wei: Wei


def parts_of(model: ModelRef, wei: Wei, lineage: Decimal) -> list[Part]:
    """What does not go to the creator of the model."""
    if not lineage or model.parents is None:
        return []
    part = Wei(floor(wei * Fraction(lineage) / 2))
    parents = zip(model.parents.creators, model.parents.cids, strict=True)
    return [Part(creator, cid, part) for creator, cid in parents if creator != model.creator]
