"""Parts of a reward go to the creators of the parents that an adopted average names."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import announced, model, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol.decisions import DebtState, Published
from learnae.protocol.lineage import Part, parts_of
from learnae.protocol.policies import Policy, Role
from learnae.protocol.reward import view_of
from learnae.protocol.types import ETHER, Cid, ModelRef, Parents, PeerId, Wei

PER_UNIT = Decimal("0.3")  # ETH
GAIN = 3 * ETHER // 100  # wei for ten percentage points
HALF = Decimal("0.5")


def average(creator: str, *parents: str) -> ModelRef:
    """An average of models of these two peers."""
    first, second = map(PeerId, parents)
    return replace(model(creator, 3), parents=Parents((Cid(f"{first}-1"), Cid(f"{second}-2")), (first, second)))


def adopts(driven: Driven, remote: ModelRef, correct: int = 60) -> list[tuple[str, str, int, str | None]]:
    """Creator, CID, wei and adopted model of each debt, once this model has brought the peer from 50 to 60 percent."""
    event = driven.screens(remote.creator, announced(remote))
    assert not isinstance(event, Reason)
    driven.tell(event)
    driven.fetched()
    driven.scored(do.AverageModels, "adopted", score(correct))
    return [(debt.creator, debt.cid, debt.wei, debt.part_of) for debt in driven.debts.values()]


def peer(lineage: Decimal = HALF, **settings: Any) -> Driven:
    defaults = {"slices_planned": 0, "expected_identities": 0, "wants_payment": False, "factor": PER_UNIT}
    return Driven(**{**defaults, "lineage": lineage, **settings}).loaded()


def test_the_creators_of_both_parents_share_half_of_the_reward() -> None:
    assert adopts(peer(), average("eve", "ann", "bob")) == [
        ("eve", "eve-3", GAIN // 2, None),
        ("ann", "ann-1", GAIN // 4, "eve-3"),
        ("bob", "bob-2", GAIN // 4, "eve-3"),
    ]


def test_the_part_of_a_parent_that_the_creator_has_made_itself_stays_with_it() -> None:
    owed = adopts(peer(), average("eve", "eve", "bob"))
    assert owed == [("eve", "eve-3", GAIN * 3 // 4, None), ("bob", "bob-2", GAIN // 4, "eve-3")]


def test_nobody_pays_for_a_parent_of_its_own() -> None:
    owed = adopts(peer(), average("eve", "ann", "me"))
    assert owed == [("eve", "eve-3", GAIN // 2, None), ("ann", "ann-1", GAIN // 4, "eve-3")]


@pytest.mark.parametrize("lineage", [Decimal(0), HALF])
def test_a_model_without_parents_is_paid_for_in_full_and_so_is_every_model_by_default(lineage: Decimal) -> None:
    remote = average("eve", "ann", "bob") if not lineage else model("eve", 3)
    assert adopts(peer(lineage), remote) == [("eve", "eve-3", GAIN, None)]


def test_a_part_is_rounded_down_and_the_creator_gets_the_rest() -> None:
    assert parts_of(average("eve", "ann", "bob"), Wei(1001), Decimal("0.3")) == [
        Part(PeerId("ann"), Cid("ann-1"), Wei(150)),
        Part(PeerId("bob"), Cid("bob-2"), Wei(150)),
    ]


def test_each_debt_is_paid_by_itself_to_the_wallet_of_its_creator() -> None:
    driven = peer(wants_payment=True)
    adopts(driven, average("eve", "eve", "bob"))
    driven.registered()
    driven.meets("bob")
    request = driven.asked(do.SignPayment)
    assert (request.to, request.wei, request.cids) == ("0xbob", GAIN // 4, ("bob-2",))
    assert [debt.state for debt in driven.debts.values()] == [DebtState.OWED, DebtState.PAYABLE]


def test_who_refuses_to_pay_pays_no_parents_either() -> None:
    driven = peer(policy=Policy.REFUSES_TO_PAY)
    adopts(driven, average("eve", "ann", "bob"))
    assert {debt.reason for debt in driven.debts.values()} == {"policy"}


def test_parts_are_no_adoptions_to_a_reward_function() -> None:
    driven = peer()
    adopts(driven, average("eve", "ann", "bob"))
    view = view_of(driven.debts.values(), PeerId("ann"), score(60), score(61), 9, Wei(5), ETHER)
    assert (view.adoptions, view.creators, view.from_creator, view.owed_to_creator) == (1, 1, 0, 0)
    assert view.left == ETHER - GAIN, "they count towards the cap"


def test_a_peer_that_began_with_a_model_of_another_names_its_creator() -> None:
    driven = Driven(role=Role.PROFITEER, slices_planned=0, expected_identities=0, wants_payment=False)
    driven.hears("ann")
    driven.fetched()
    driven.scored(do.ScoreModel, "ann-1", score(50))
    driven.attempted("bob", 60)
    driven.attempted("cat", 70)
    first, second = (fact.parents for fact in driven.facts(Published))
    assert first == Parents((Cid("ann-1"), Cid("bob-1")), (PeerId("ann"), PeerId("bob")))
    assert second and second.creators == (PeerId("me"), PeerId("cat"))
