"""What peers do that break the rules: forgers, spammers and copycats."""

from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import model, weights

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol.decisions import AttemptFailed, DebtChanged, WorkState
from learnae.protocol.policies import Forgery, Policy
from learnae.protocol.slices import SPAM
from learnae.protocol.types import ModelAnnouncement


def working(**settings: Any) -> Driven:
    """A peer that needs nobody's identity, with its initial weights."""
    return Driven(**{"wants_payment": False, "expected_identities": 0, **settings}).loaded()


@pytest.mark.parametrize(("policy", "models"), [(Policy.POISONER, 2), (Policy.SPAMMER, SPAM)])
def test_forgers_publish_random_weights_and_average_nothing(policy: Policy, models: int) -> None:
    driven = working(policy=policy)
    driven.hears("bob")
    for _ in range(models):
        assert driven.asked(do.ForgeModel).forgery is Forgery.RANDOM
        driven.forged(weights(f"noise {driven.peer.status().step}"))
    assert driven.peer.status().work is WorkState.DONE
    assert driven.peer.status().step == models
    driven.hears("bob", 2)
    assert driven.peer.status().work is WorkState.DONE


def test_a_forgery_that_fails_is_a_lost_slice() -> None:
    driven = working(policy=Policy.POISONER)
    driven.fails(do.ForgeModel)
    driven.fails(do.ForgeModel)
    assert driven.peer.status().work is WorkState.DONE


@pytest.mark.parametrize("forgery", [Forgery.COPY, Forgery.PERTURBED])
def test_a_copycat_publishes_others_models_as_its_own_and_owes_nothing(forgery: Forgery) -> None:
    driven = working(policy=Policy.COPYCAT, forgery=forgery, slices_planned=0)
    driven.hears("bob")
    driven.fetched()
    assert driven.asked(do.ForgeModel) == do.ForgeModel(driven.asked(do.ForgeModel).request, forgery, model("bob"), 1)
    driven.forged(weights("me-1"))
    driven.stored()
    (told,) = (each.announcement for each in driven.actions if isinstance(each, do.Announce))
    assert isinstance(told, ModelAnnouncement) and told.model.step == 1
    assert not driven.facts(DebtChanged)


def test_a_copycat_whose_forgery_fails_tries_another() -> None:
    driven = working(policy=Policy.COPYCAT, slices_planned=0)
    driven.hears("bob")
    driven.fetched()
    driven.fails(do.ForgeModel, Reason.MALFORMED)
    assert [failed.reason for failed in driven.facts(AttemptFailed)] == [Reason.MALFORMED]
    driven.hears("ann")
    assert driven.asked(do.FetchModel).model == model("ann")
