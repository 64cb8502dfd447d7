"""Who is credited with tensors: the first claimant whose block was verified."""

import pytest
from tests.helpers.peers import model

from learnae.protocol.creators import REMEMBERED, UNPROVEN, Creators
from learnae.protocol.types import ModelRef, PeerId

BOB, EVE = PeerId("bob"), PeerId("eve")
D = "digest of both"


def both(creator: str, step: int = 1) -> ModelRef:
    return model(creator, step, digest=D)


def claimed(*creators: str) -> Creators:
    """They announced the same tensors, in this order."""
    book = Creators()
    for name in creators:
        book.announce(both(name), 0.0)
    return book


def first(creators: Creators, model: ModelRef, now: float = 0.0, away: str = "") -> str:
    """Whose model is tried in the place of this one."""
    return creators.first(model, now, lambda model: model.creator != away).creator


def test_an_announcement_credits_nobody() -> None:
    assert D not in claimed("eve").credited


def test_a_verified_model_credits_its_creator_for_good() -> None:
    creators = claimed("eve", "bob")
    creators.credit(both("bob"))
    creators.credit(both("eve"))
    assert creators.credited[D] == BOB


def test_the_first_claimant_is_tried_first_even_if_it_has_a_newer_model() -> None:
    creators = claimed("bob", "eve")
    creators.announce(model("bob", 2), 0.0)
    assert creators.first(both("eve"), 0.0, lambda creator: True) == both("bob")
    assert first(creators, both("bob")) == "bob"


def test_a_claimant_that_cannot_be_fetched_from_has_no_precedence() -> None:
    creators = claimed("eve", "bob")
    assert first(creators, both("bob"), away="eve") == "bob"
    assert first(creators, both("cat"), away="eve") == "bob"


def test_a_claimant_whose_block_was_another_has_no_precedence_until_a_model_of_it_is_verified() -> None:
    creators = claimed("eve", "bob")
    creators.refute(both("eve"))
    assert not creators.claims(EVE, D)
    for name in ("eve", "bob"):
        creators.announce(model(name, 2, digest="others"), 0.0)
    assert first(creators, model("bob", 2, digest="others")) == "bob"
    creators.credit(model("eve", 3))
    assert first(creators, model("bob", 2, digest="others")) == "eve"


def test_however_many_new_identities_claim_tensors_they_delay_nobody_for_long() -> None:
    creators = claimed(*(f"eve {number}" for number in range(100)), "bob")
    assert first(creators, both("bob"), now=UNPROVEN - 1) == "eve 0"
    assert first(creators, both("bob"), now=UNPROVEN) == "bob"


def test_the_claim_of_a_proved_creator_does_not_expire() -> None:
    creators = claimed("bob", "eve")
    creators.credit(model("bob", 7))
    assert first(creators, both("eve"), now=1e9) == "bob"


def test_a_refuted_model_that_was_never_claimed_changes_no_other_claim() -> None:
    creators = claimed("bob")
    creators.refute(both("eve"))
    assert first(creators, both("cat")) == "bob"


def test_a_claim_is_entered_once() -> None:
    creators = claimed("bob")
    creators.announce(both("bob", 2), 1.0)
    assert creators.claims(BOB, D) and not creators.claims(EVE, D)
    assert creators.first(both("eve"), 0.0, lambda creator: True) == both("bob")
    creators.credit(both("bob"))
    assert creators.claims(BOB, D)
    creators.announce(both("eve"), 1.0)
    assert not creators.claims(EVE, D)


def test_claims_of_a_peer_that_made_room_are_forgotten_and_its_credits_are_not() -> None:
    creators = claimed("bob", "eve")
    creators.credit(model("bob", 1))
    creators.forget(BOB)
    creators.forget(BOB)
    assert first(creators, both("eve")) == "eve"
    assert creators.credited["digest of bob-1"] == BOB


@pytest.mark.parametrize("number", [0, 1])
def test_memory_is_bounded(number: int) -> None:
    creators = Creators()
    for step in range(REMEMBERED + 1):
        creators.announce(model("bob", step), 0.0)
    assert creators.claims(BOB, f"digest of bob-{number}") is bool(number)
