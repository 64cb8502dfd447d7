"""What peers do that break the rules: forgers, spammers and copycats."""

from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import model, score, weights

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol.decisions import AttemptFailed, Averaged, DebtChanged, DebtState, WorkState
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.policies import ForgeModel, Forgery, Policy, Role
from learnae.protocol.slices import SPAM
from learnae.protocol.types import Cid


def working(**settings: Any) -> Driven:
    """A peer that needs nobody's identity, with its initial weights."""
    return Driven(**{"wants_payment": False, "expected_identities": 0, **settings}).loaded()


@pytest.mark.parametrize(("policy", "models"), [(Policy.POISONER, 2), (Policy.SPAMMER, SPAM)])
def test_forgers_publish_random_weights_and_average_nothing(policy: Policy, models: int) -> None:
    driven = working(policy=policy)
    driven.hears("bob")
    for _ in range(models):
        assert driven.asked(ForgeModel).forgery is Forgery.RANDOM
        driven.forged(weights(f"noise {driven.peer.status().step}"))
    assert driven.peer.status().work is WorkState.DONE
    assert driven.peer.status().step == models
    driven.hears("bob", 2)
    assert driven.peer.status().work is WorkState.DONE


def test_a_forgery_that_fails_is_a_lost_slice() -> None:
    driven = working(policy=Policy.POISONER)
    driven.fails(ForgeModel)
    driven.fails(ForgeModel)
    assert driven.peer.status().work is WorkState.DONE


@pytest.mark.parametrize("forgery", [Forgery.COPY, Forgery.PERTURBED])
def test_a_copycat_publishes_others_models_as_its_own_and_owes_nothing(forgery: Forgery) -> None:
    driven = working(policy=Policy.COPYCAT, forgery=forgery, slices_planned=0)
    driven.hears("bob")
    driven.fetched()
    assert driven.asked(ForgeModel) == ForgeModel(driven.asked(ForgeModel).request, forgery, model("bob"), 1)
    driven.forged(weights("me-1"))
    driven.stored()
    (told,) = (each.announcement for each in driven.actions if isinstance(each, do.Announce))
    assert isinstance(told, ModelAnnouncement) and told.model.step == 1
    assert not driven.facts(DebtChanged)


def test_a_copycat_whose_forgery_fails_tries_another() -> None:
    driven = working(policy=Policy.COPYCAT, slices_planned=0)
    driven.hears("bob")
    driven.fetched()
    driven.fails(ForgeModel, Reason.MALFORMED)
    assert [failed.reason for failed in driven.facts(AttemptFailed)] == [Reason.MALFORMED]
    driven.hears("ann")
    assert driven.asked(do.FetchModel).model == model("ann")


@pytest.mark.parametrize("forgery", [Forgery.MEAN, Forgery.BEST_MIX])
def test_a_mixture_is_made_of_a_remote_model_and_the_copycats_own_newest_one(forgery: Forgery) -> None:
    driven = working(policy=Policy.COPYCAT, forgery=forgery, slices_planned=0)
    for creator, own in (("bob", "initial"), ("ann", "me-1")):
        driven.hears(creator)
        driven.fetched()
        asked = driven.asked(ForgeModel)
        assert (asked.forgery, asked.source, asked.other) == (forgery, model(creator), own)
        driven.forged(weights("me-1"))
        driven.stored()


def test_a_delta_is_made_of_two_models_of_one_creator_and_a_copy_of_the_first() -> None:
    driven = working(policy=Policy.COPYCAT, forgery=Forgery.DELTA, slices_planned=0)
    made = []
    for creator, step in (("bob", 1), ("ann", 1), ("bob", 2)):
        driven.hears(creator, step)
        driven.fetched()
        made.append((driven.asked(ForgeModel).forgery, driven.asked(ForgeModel).other))
        driven.forged(weights(f"me-{len(made)}"))
        driven.stored()
    assert made == [(Forgery.PERTURBED, None), (Forgery.PERTURBED, None), (Forgery.DELTA, Cid("bob-1"))]


def test_a_peer_without_a_model_takes_one_before_it_forges() -> None:
    driven = Driven(policy=Policy.COPYCAT, role=Role.PROFITEER, slices_planned=0, expected_identities=0)
    driven.hears("bob")
    driven.fetched()
    assert driven.asked(do.ScoreModel).model == model("bob") and not driven.all_asked(ForgeModel)


def test_a_sleeper_averages_and_pays_until_it_has_trained() -> None:
    driven = working(policy=Policy.SLEEPER, forgery=Forgery.PERTURBED, slices_planned=1, expected_identities=0)
    driven.hears("bob")
    driven.fetched()
    driven.scored(do.TrainSlice, "me-1", score(55))
    assert driven.asked(ForgeModel).source == model("bob")


def test_a_sybil_uses_models_of_its_leader_only() -> None:
    driven = working(policy=Policy.SYBIL, leader="ann", slices_planned=0)
    driven.hears("bob")
    assert not driven.all_asked(do.FetchModel)
    driven.hears("ann")
    driven.fetched()
    assert driven.asked(ForgeModel).source == model("ann")


def test_an_under_reporter_states_the_smallest_gain_and_compares_true_scores() -> None:
    driven = working(policy=Policy.UNDER_REPORTER, slices_planned=0)
    for creator, correct in (("bob", 80), ("ann", 70), ("cat", 90), ("dan", 40)):
        driven.attempted(creator, correct)
    stated = [(fact.before.correct, fact.after.correct, fact.adopted) for fact in driven.facts(Averaged)]
    assert stated == [(50, 51, True), (51, 51, False), (51, 52, True), (52, 40, False)]
    assert [(debt.after.correct - debt.before.correct) for debt in driven.debts.values()] == [1, 1]


def test_training_shows_the_true_score_of_an_under_reporter_again() -> None:
    driven = working(policy=Policy.UNDER_REPORTER, slices_planned=1)
    driven.hears("bob")
    driven.fetched()
    driven.scored(do.TrainSlice, "me-1", score(60))
    driven.scored(do.AverageModels, "me-2", score(70))
    assert driven.facts(Averaged)[0].before == score(60)
    assert driven.debts[0].state is not DebtState.DECLINED
