"""The work machine: slices and attempts in turn, what is kept, and when it ends (sections 1.1, 3, 4)."""

from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import announced, model, score, weights

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import (
    Adopted,
    AttemptFailed,
    Averaged,
    DebtChanged,
    FetchFailed,
    Published,
    Trained,
    TrainingFailed,
    WorkChanged,
    WorkState,
)
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.fetches import FIRST_SLOW
from learnae.protocol.policies import Role
from learnae.protocol.types import Timer


def working(**settings: Any) -> Driven:
    """A peer that needs nobody's identity, with its initial weights."""
    return Driven(**{"wants_payment": False, "expected_identities": 0, **settings}).loaded()


def states(driven: Driven) -> list[WorkState]:
    return [changed.work for changed in driven.facts(WorkChanged)]


def announcements(driven: Driven) -> list[int]:
    """Steps of the peer's own models announced by the last event."""
    told = [action.announcement for action in driven.actions if isinstance(action, do.Announce)]
    return [each.model.step for each in told if isinstance(each, ModelAnnouncement)]


def train(driven: Driven, correct: int) -> None:
    driven.scored(do.TrainSlice, f"me-{driven.peer.status().step + 1}", score(correct))


# beginnings


def test_a_peer_with_rows_begins_with_the_common_initial_weights() -> None:
    driven = Driven(wants_payment=False, expected_identities=0)
    assert driven.asked(do.FetchModel) == do.FetchModel(1, driven.config.initial_weights, None, ())
    driven.loaded()
    assert driven.facts(Adopted) == [Adopted(driven.config.initial_weights, None, score(50))]
    assert driven.asked(do.TrainSlice).base_cid == "initial"


@pytest.mark.parametrize("step", [do.FetchModel, do.ScoreModel])
def test_initial_weights_that_cannot_be_had_are_asked_for_again_a_second_later(step: type[do.Request]) -> None:
    driven = Driven(wants_payment=False, expected_identities=0)
    if step is do.ScoreModel:
        driven.fetched()
    driven.fails(step)
    assert not driven.all_asked(do.FetchModel)
    assert driven.waits(Timer.WORK) == 1.0
    driven.fires(Timer.WORK)
    driven.loaded()
    assert states(driven) == [WorkState.IDLE, WorkState.TRAINING]


def test_slices_begin_when_enough_identities_were_heard() -> None:
    driven = Driven(expected_identities=3).loaded().registered().meets("ann")
    assert not driven.all_asked(do.TrainSlice)
    driven.meets("bob")
    assert driven.all_asked(do.TrainSlice)


def test_a_peer_without_rows_begins_with_a_random_remote_model_never_paid_for_and_never_republished() -> None:
    driven = Driven(role=Role.PROFITEER, slices_planned=0, wants_payment=False, expected_identities=0)
    driven.hears("bob")
    driven.fetched()
    driven.scored(do.ScoreModel, "bob-1", score(60))
    assert driven.facts(Adopted) == [Adopted(model("bob").weights.cid, model("bob").creator, score(60))]
    assert not driven.facts(DebtChanged) and not driven.all_asked(do.StoreModel)
    driven.fires(Timer.ANNOUNCE)
    assert announcements(driven) == []


def test_a_peer_without_rows_goes_on_looking_when_a_model_is_no_good() -> None:
    driven = Driven(role=Role.PROFITEER, slices_planned=0, wants_payment=False, expected_identities=0)
    driven.hears("bob")
    driven.fetched()
    driven.fails(do.ScoreModel, Reason.NOT_FINITE)
    driven.after(100.0)
    assert states(driven) == []
    driven.hears("ann")
    driven.fetched()
    driven.scored(do.ScoreModel, "ann-1", score(60))
    assert states(driven) == [WorkState.IDLE]


# turns


def test_slices_and_attempts_take_turns_while_unseen_slices_remain() -> None:
    driven = working(slices=3, slices_planned=3)
    for name in ("ann", "bob"):
        driven.hears(name)
        driven.fetched()
        train(driven, 60)
        driven.scored(do.AverageModels, "average", score(0))
    driven.hears("cat")
    driven.fetched()
    train(driven, 60)
    turn = [WorkState.IDLE, WorkState.TRAINING, WorkState.IDLE, WorkState.MERGING]
    assert states(driven) == 3 * turn


def test_without_a_candidate_a_slice_waits_for_nobody() -> None:
    driven = working()
    train(driven, 60)
    assert driven.asked(do.TrainSlice).slices_trained == 1


def test_a_slice_waits_for_a_model_on_its_way_but_not_for_a_slow_fetch() -> None:
    driven = working()
    driven.hears("bob")
    driven.after(1.0)
    train(driven, 60)
    assert not driven.all_asked(do.TrainSlice) and driven.waits(Timer.WORK) == FIRST_SLOW
    driven.fires(Timer.WORK)
    assert driven.asked(do.TrainSlice).slices_trained == 1
    train(driven, 60)
    assert driven.asked(do.FetchModel).model == model("bob")
    driven.fires(Timer.WORK)
    assert states(driven)[-1] is WorkState.DONE and not driven.facts(Averaged)


def test_attempts_catch_up_with_slices_when_models_arrive() -> None:
    driven = working(slices=3, slices_planned=3)
    train(driven, 60)
    train(driven, 60)
    driven.hears("ann")
    driven.fetched()
    train(driven, 60)
    driven.hears("bob")
    driven.fetched()
    driven.scored(do.AverageModels, "average", score(0))
    assert driven.all_asked(do.AverageModels)


def test_each_pass_sees_the_slices_in_their_order() -> None:
    driven, slices = working(slices=2, slices_planned=4), []
    while driven.all_asked(do.TrainSlice):
        slices.append((driven.asked(do.TrainSlice).slice, driven.asked(do.TrainSlice).slices_trained))
        train(driven, 60)
    assert slices == [(0, 0), (1, 1), (0, 2), (1, 3)]


def test_training_is_kept_even_if_it_is_worse() -> None:
    driven = working()
    train(driven, 40)
    assert driven.facts(Trained) == [Trained(0, 1, weights("me-1").cid, score(40))]
    assert driven.asked(do.TrainSlice).base_cid == "me-1"


@pytest.mark.parametrize("reason", [Reason.NOT_FINITE, Reason.TIMEOUT])
def test_a_slice_that_cannot_be_trained_is_lost_and_not_tried_for_ever(reason: Reason) -> None:
    driven = working()
    driven.fails(do.TrainSlice, reason)
    assert driven.asked(do.TrainSlice).slices_trained == 1
    driven.fails(do.TrainSlice, reason)
    assert states(driven)[-1] is WorkState.IDLE and not driven.all_asked(do.TrainSlice)
    assert driven.facts(TrainingFailed) == [TrainingFailed(0, reason), TrainingFailed(1, reason)]


# attempts


def test_a_strictly_better_average_is_adopted_published_and_owed_for() -> None:
    driven = working(stores=False, slices_planned=0).attempted("bob", 51)
    assert driven.facts(Averaged)[0].adopted
    assert driven.peer.status().weights == weights("me-1")
    assert driven.asked(do.StoreModel).cid == "me-1"
    assert [(debt.creator, debt.before, debt.after) for debt in driven.facts(DebtChanged)] == [
        ("bob", score(50), score(51))
    ]


@pytest.mark.parametrize("correct", [50, 49])
def test_an_average_that_is_not_better_is_dropped(correct: int) -> None:
    driven = working(slices_planned=0).attempted("bob", correct)
    assert not driven.facts(Averaged)[0].adopted
    assert driven.peer.status().weights == weights("initial")
    assert not driven.facts(DebtChanged) and not driven.all_asked(do.StoreModel)


@pytest.mark.parametrize("reason", [Reason.SHAPE, Reason.NOT_FINITE, Reason.CREATOR, Reason.OVERSIZE])
def test_a_model_that_cannot_be_loaded_is_counted_and_not_tried_again(reason: Reason) -> None:
    driven = working(slices_planned=0)
    driven.hears("bob")
    driven.fetched()
    driven.fails(do.AverageModels, reason)
    assert driven.facts(AttemptFailed) == [AttemptFailed(model("bob").creator, model("bob").weights.cid, reason)]
    assert not driven.all_asked(do.FetchModel)
    assert states(driven)[-1] is WorkState.IDLE


def test_the_initial_weights_under_anothers_name_are_a_copy() -> None:
    driven = working(slices_planned=0)
    driven.hears("eve", digest="digest of initial")
    assert driven.facts(AttemptFailed)[0].reason is Reason.COPY


def test_the_peers_own_tensors_under_anothers_name_are_a_copy() -> None:
    driven = working()
    train(driven, 60)
    driven.hears("eve", digest="digest of me-1")
    assert driven.facts(AttemptFailed)[0].reason is Reason.COPY


def test_a_peers_own_tensors_were_never_anothers_whoever_announced_them_before() -> None:
    driven = working()
    driven.hears("eve", digest="digest of me-1")
    train(driven, 60)
    assert [(fact.creator, fact.reason) for fact in driven.facts(AttemptFailed)] == [("eve", Reason.COPY)]


def test_a_creator_that_made_room_meanwhile_is_still_owed() -> None:
    driven = working(slices_planned=0, max_peers=1)
    driven.hears("bob")
    driven.fetched()
    stranger = next(name for name in map(str, range(100)) if driven.peer._peer_book.has_room_for(name))  # type: ignore[arg-type]
    driven.hears(stranger)
    driven.scored(do.AverageModels, "me-1", score(60))
    assert [debt.creator for debt in driven.facts(DebtChanged)] == ["bob"]


# publications


def test_a_model_is_announced_when_it_is_stored_and_again_on_a_period() -> None:
    driven = working()
    train(driven, 60)
    assert driven.facts(Published) == [Published(1, weights("me-1").cid)]
    assert announcements(driven) == [1]
    driven.fires(Timer.ANNOUNCE)
    assert announcements(driven) == [1]


def test_a_model_that_could_not_be_stored_is_stored_with_the_next_announcement() -> None:
    driven = working(stores=False)
    train(driven, 60)
    driven.fails(do.StoreModel)
    assert not driven.all_asked(do.StoreModel) and driven.peer._training.publication.pending
    driven.fires(Timer.ANNOUNCE)
    driven.fires(Timer.ANNOUNCE)
    assert len(driven.all_asked(do.StoreModel)) == 1
    driven.stored()
    assert announcements(driven) == [1] and not driven.peer._training.publication.pending


def test_a_model_that_was_stored_too_late_is_not_announced() -> None:
    driven = working(stores=False)
    train(driven, 60)
    driven.fires(Timer.WORK)
    train(driven, 61)
    driven.stored()
    assert announcements(driven) == []
    driven.stored()
    assert announcements(driven) == [2]


def test_the_next_unit_waits_until_a_model_is_stored_but_not_for_long() -> None:
    driven = working(stores=False)
    train(driven, 60)
    assert not driven.all_asked(do.TrainSlice) and driven.waits(Timer.WORK) == FIRST_SLOW
    driven.stored()
    assert driven.asked(do.TrainSlice).base_cid == "me-1"


# endings


def test_patience_is_spent_by_scored_attempts_once_all_slices_are_seen() -> None:
    driven = working(slices_planned=1, patience=2)
    driven.hears("ann")
    driven.fetched()
    train(driven, 60)
    driven.scored(do.AverageModels, "average", score(0))
    driven.attempted("cat", 61)
    driven.attempted("dan", 0)
    assert WorkState.DONE not in states(driven)
    driven.attempted("eve", 0)
    assert states(driven)[-1] is WorkState.DONE


def test_while_slices_remain_attempts_cost_no_patience() -> None:
    driven = working(slices_planned=2, slices=2, patience=1)
    driven.hears("ann")
    driven.fetched()
    train(driven, 60)
    driven.scored(do.AverageModels, "average", score(0))
    train(driven, 60)
    assert WorkState.DONE not in states(driven)
    driven.attempted("bob", 61)
    assert states(driven)[-1] is WorkState.IDLE


def test_a_failed_fetch_costs_no_patience() -> None:
    driven = working(slices_planned=0, patience=1)
    driven.hears("bob")
    driven.fails(do.FetchModel)
    assert driven.facts(FetchFailed) == [FetchFailed(model("bob").creator, model("bob").weights.cid, Reason.TIMEOUT)]
    assert states(driven)[-1] is WorkState.IDLE and not driven.facts(AttemptFailed)


def test_without_anything_untried_a_peer_is_done_after_a_while() -> None:
    driven = working(slices_planned=0)
    assert driven.waits(Timer.WORK) == driven.config.work.idle_after
    driven.after(4.0).attempted("bob", 0)
    assert driven.waits(Timer.WORK) == driven.config.work.idle_after
    driven.fires(Timer.WORK)
    assert states(driven)[-1] is WorkState.DONE


def test_a_model_never_heard_of_wakes_a_peer_for_at_least_one_scored_attempt() -> None:
    driven = working(slices_planned=0, patience=1).attempted("bob", 0)
    assert states(driven)[-1] is WorkState.DONE
    driven.hears("bob", 2)
    driven.fails(do.FetchModel)
    assert states(driven)[-1] is WorkState.DONE
    driven.fires(Timer.FETCH)
    driven.fetched()
    driven.scored(do.AverageModels, "average", score(0))
    assert states(driven)[-1] is WorkState.DONE


def test_a_peer_out_of_patience_fetches_only_what_is_new() -> None:
    driven = working(slices_planned=0, patience=1)
    driven.hears("ann")
    driven.hears("bob")
    driven.fails(do.FetchModel)
    driven.fetched()
    driven.scored(do.AverageModels, "average", score(0))
    assert states(driven)[-1] is WorkState.DONE
    driven.fires(Timer.FETCH)
    assert not driven.all_asked(do.FetchModel)


def test_a_peer_that_ran_out_of_models_is_woken_by_any_model_that_arrives() -> None:
    driven = working(slices_planned=0)
    driven.hears("ann")
    driven.fires(Timer.WORK)
    assert states(driven)[-1] is WorkState.DONE
    driven.fetched()
    assert states(driven)[-1] is WorkState.MERGING


def test_neither_a_repetition_nor_a_copy_wakes_anybody() -> None:
    driven = working(slices_planned=0, patience=1).attempted("bob", 0)
    assert driven.screens("bob", announced(model("bob"))) is Reason.REPEAT
    driven.hears("eve", digest="digest of bob-1")
    assert states(driven)[-1] is WorkState.DONE


def test_no_creator_keeps_a_peer_awake_beyond_its_budget() -> None:
    driven = working(slices_planned=0, patience=1, max_attempts_per_creator=3, max_announcements=100)
    for step in range(1, 4):
        driven.attempted("eve", 0, step)
    assert driven.screens("eve", announced(model("eve", 4))) is Reason.RATE_LIMIT
    assert states(driven)[-1] is WorkState.DONE


# pace


def test_a_unit_of_work_takes_at_least_its_pace() -> None:
    driven = working(slice=5.0, attempt=2.0)
    driven.hears("bob")
    driven.fetched()
    driven.after(1.0)
    train(driven, 60)
    assert driven.waits(Timer.WORK) == 4.0
    driven.fires(Timer.WORK)
    driven.after(0.5).scored(do.AverageModels, "average", score(0))
    assert driven.waits(Timer.WORK) == 1.5
    driven.fires(Timer.WORK)
    driven.after(7.0)
    train(driven, 60)
    assert driven.waits(Timer.WORK) == driven.config.work.idle_after


def test_a_closed_session_begins_no_more_work() -> None:
    driven = working()
    driven.tell(on.SessionClosed(driven.now))
    train(driven, 60)
    assert not driven.all_asked(do.TrainSlice)
