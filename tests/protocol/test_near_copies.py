"""With ``defence.similar``, a remote model is compared with earlier ones of others; what is refused is not paid for."""

from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import publication
from learnae.protocol.decisions import AttemptFailed
from learnae.protocol.defence_types import Likeness
from learnae.protocol.policies import Role
from learnae.protocol.types import Cid, PeerId, Score


def peer(**settings: Any) -> Driven:
    """It has trained one model, and averages with those that it receives."""
    defaults: dict[str, Any] = {"slices_planned": 1, "expected_identities": 0, "wants_payment": False}
    driven = Driven(**{**defaults, "similar": Decimal("0.99"), "patience": 500, **settings}).loaded()
    driven.scored(do.TrainSlice, "me-1", score(50))
    return driven


def compared(driven: Driven, creator: str, step: int = 1) -> tuple[str, ...]:
    """The models with which the next one of this creator is compared."""
    driven.hears(creator, step)
    driven.fetched()
    return driven.asked(do.AverageModels).earlier


def test_a_model_is_compared_with_earlier_ones_of_others_and_of_the_peer_itself() -> None:
    driven = peer().attempted("ann", 40).attempted("bob", 40)
    assert compared(driven, "ann", 2) == ("me-1", "bob-1")


def test_an_average_of_its_own_counts_too_and_the_initial_weights_do_not() -> None:
    driven = peer().attempted("ann", 60)
    assert compared(driven, "bob") == ("me-1", "ann-1", "me-2")


def test_a_model_that_was_refused_is_not_paid_for_and_no_other_is_compared_with_it() -> None:
    driven = peer()
    compared(driven, "ann")
    like = Likeness(Cid("me-1"), Score(99, 100))
    driven.fails(do.AverageModels, Reason.SIMILAR, like)
    assert driven.facts(AttemptFailed) == [AttemptFailed(PeerId("ann"), Cid("ann-1"), Reason.SIMILAR, like)]
    assert not driven.debts
    assert compared(driven, "bob") == ("me-1",)


def test_a_peer_that_takes_models_as_they_are_compares_them_too() -> None:
    driven = Driven(
        role=Role.PROVIDER, slices_planned=0, expected_identities=0, wants_payment=False, similar=Decimal(1)
    ).loaded()
    driven.hears("ann")
    driven.fetched()
    driven.scored(do.ScoreModel, "ann-1", score(40))
    driven.hears("bob")
    driven.fetched()
    assert driven.asked(do.ScoreModel).earlier == ("ann-1",)


def test_by_default_nothing_is_compared() -> None:
    assert compared(peer(similar=None).attempted("ann", 40), "bob") == ()


def test_only_the_last_models_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "REMEMBERED", 2)
    driven = peer().attempted("ann", 40).attempted("ann", 40, 2)
    assert compared(driven, "bob") == ("ann-1", "ann-2")
