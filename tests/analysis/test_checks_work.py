"""Averaging, adoption and endings: each way of spoiling the good history is caught by the checks that should."""

from dataclasses import replace

import pytest
from tests.helpers.histories import (
    GOOD,
    MODEL,
    NAMES,
    PARENTS,
    PEER,
    amended,
    caught,
    fact_is,
    followed_by,
    score,
    without,
)

from learnae.analysis.checks import verdict
from learnae.errors import Reason
from learnae.protocol.decisions import (
    Adopted,
    Averaged,
    DebtChanged,
    Published,
    Trained,
    TrainingFailed,
    WorkChanged,
    WorkState,
)
from learnae.protocol.types import Cid, PeerId
from learnae.records.history import PeerCrashed, PeerRestarted, SessionEnded
from learnae.records.outcome import EndedBy

BOB_DROPPED = fact_is("bob", Averaged, adopted=False)
BOB_AVERAGED = fact_is("bob", Averaged, adopted=True)


# training


def test_training_that_diverged_is_invalid_and_named_with_what_to_change() -> None:
    history = followed_by(fact_is("ann", Trained), TrainingFailed(1, Reason.NOT_FINITE))
    history = followed_by(fact_is("ann", TrainingFailed), TrainingFailed(2, Reason.NOT_FINITE), history)
    assert caught(history) == {
        "training_did_not_diverge": "invalid: ann: training on 2 of 10 slices diverged (weights became infinite), "
        "so it kept the model from before: lower model.learning_rate"
    }


def test_a_slice_that_timed_out_is_recorded_and_allowed() -> None:
    assert not caught(followed_by(fact_is("ann", Trained), TrainingFailed(1, Reason.TIMEOUT)))


def test_peers_whose_models_end_as_they_began_are_named_in_a_notice() -> None:
    assert verdict(GOOD)["notices"] == []
    lazy = amended(fact_is("ann", Trained), score=score(520))
    lazy = amended(fact_is("ann", Averaged, adopted=True), history=lazy, after=score(530))
    [line] = verdict(lazy)["notices"]
    assert line.startswith("At the end, the models of ann are hardly better than untrained ones: try another model.")
    assert line.endswith("If peers have few rows, use fewer peers or more data.")


@pytest.mark.parametrize("correct", [690, 600])
def test_adopting_what_is_no_better_is_invalid(correct: int) -> None:
    """690 is the mutant that writes >= for >."""
    history = amended(BOB_AVERAGED, after=score(correct))
    history = amended(fact_is("bob", DebtChanged), history=history, after=score(correct))
    found = caught(history)
    assert "bob adopted" in found["adopted_only_if_better"]
    assert found.keys() == {"adopted_only_if_better", "amounts_follow_reward_function"}


def test_dropping_what_is_better_is_invalid_for_an_honest_peer() -> None:
    found = caught(amended(BOB_DROPPED, after=score(691)))
    assert found == {"adopted_only_if_better": "invalid: bob dropped bdropped, which is better"}


def test_dropping_what_is_better_is_a_cheats_own_affair() -> None:
    dropped = Averaged(PEER["bob"], MODEL["bob 1"], score(500), score(600), False, Cid("bdropped"), 2)
    assert not caught(followed_by(fact_is("dan", WorkChanged, work=WorkState.DONE), dropped))


def test_dropping_what_is_equal_is_right() -> None:
    assert not caught(amended(BOB_DROPPED, after=score(690)))


def test_measuring_against_another_model_than_the_last_is_invalid() -> None:
    found = caught(amended(BOB_DROPPED, before=score(700)))
    assert found.keys() == {"adopted_only_if_better"}
    assert "bob compared with" in found["adopted_only_if_better"]


@pytest.mark.parametrize("forgotten", [Trained, Adopted])
def test_the_last_model_is_the_one_trained_or_adopted_to_begin_with(forgotten: type) -> None:
    peer, parents = ("cat", set()) if forgotten is Adopted else ("ann", {"announced_parents_are_true"})
    assert caught(without(fact_is(peer, forgotten))).keys() == {"adopted_only_if_better", *parents}


def test_an_adopted_average_is_what_the_next_one_is_measured_against() -> None:
    found = caught(amended(fact_is("ann", Averaged, remote_cid=MODEL["dan 1"]), before=score(700)))
    assert found.keys() == {"adopted_only_if_better", "adoptions_create_debts"}


# models


def test_averaging_with_what_was_never_published_is_invalid() -> None:
    found = caught(without(fact_is("dan", Published)))
    assert found == {
        "averaged_models_were_published": f"invalid: ann used {MODEL['dan 1']}, which dan had not published"
    }


def test_averaging_with_what_is_published_only_later_is_invalid() -> None:
    early = fact_is("ann", Published, cid=MODEL["ann 2"])
    after = fact_is("ann", Averaged, remote_cid=MODEL["dan 1"])
    late = followed_by(after, Published(2, MODEL["ann 2"], PARENTS), history=without(early))
    assert caught(late).keys() == {"averaged_models_were_published"}


def test_a_model_published_by_another_is_not_the_creators() -> None:
    found = caught(amended(BOB_DROPPED, creator=PEER["dan"]))
    assert found.keys() == {"averaged_models_were_published"}


def test_a_creator_nobody_knows_has_published_nothing() -> None:
    found = caught(amended(BOB_DROPPED, creator=PeerId("12D3zoe")))
    assert "which 12D3zoe had not published" in found["averaged_models_were_published"]


def test_a_peer_without_rows_begins_with_a_published_model_too() -> None:
    assert caught(amended(fact_is("cat", Adopted), cid=MODEL["ann 3"])).keys() == {"averaged_models_were_published"}


def test_averaging_with_oneself_is_invalid() -> None:
    found = caught(amended(BOB_DROPPED, creator=PEER["bob"], remote_cid=MODEL["bob 1"]))
    assert found == {"own_models_not_averaged": f"invalid: bob averaged with its own model {MODEL['bob 1']}"}


def test_averaging_with_ones_own_model_under_another_name_is_invalid() -> None:
    found = caught(amended(BOB_DROPPED, remote_cid=MODEL["bob 1"]))
    assert found.keys() == {"own_models_not_averaged", "averaged_models_were_published"}


# endings


@pytest.mark.parametrize("name", NAMES)
def test_a_peer_that_never_ended_is_missed_by_name(name: str) -> None:
    found = caught(without(fact_is(name, WorkChanged, work=WorkState.DONE)))
    state = "absent" if name == "cat" else "idle"
    assert found == {"every_peer_finished": f"invalid: partial: {name} ({state}) did not finish"}


def test_a_peer_that_woke_and_never_ended_again_is_missed() -> None:
    found = caught(followed_by(fact_is("ann", WorkChanged, work=WorkState.DONE), WorkChanged(WorkState.MERGING)))
    assert found == {"every_peer_finished": "invalid: partial: ann (merging) did not finish"}


def test_a_peer_that_crashed_and_stayed_away_is_missed() -> None:
    assert "eve (crashed)" in caught(without(fact_is("eve", PeerRestarted)))["every_peer_finished"]


def test_a_peer_that_was_done_when_it_crashed_is_done_when_it_is_back() -> None:
    done = fact_is("eve", WorkChanged, work=WorkState.DONE)
    crashed = followed_by(done, PeerCrashed())
    assert "eve (crashed)" in caught(crashed)["every_peer_finished"]
    back = replace(crashed.records[-1], peer="eve", fact=PeerRestarted())
    assert not caught(replace(crashed, records=(*crashed.records[:-1], back, crashed.records[-1])))


def test_an_interrupted_session_is_partial_even_if_all_were_done() -> None:
    found = caught(amended(fact_is("swarm", SessionEnded), ended_by=EndedBy.INTERRUPTED))
    assert found == {"every_peer_finished": "invalid: partial: the session was interrupted"}


def test_a_session_that_was_cut_off_is_partial() -> None:
    found = caught(without(fact_is("swarm", SessionEnded)))
    assert found == {"every_peer_finished": "invalid: partial: the session has no recorded end"}


def test_a_session_may_end_at_its_time_limit() -> None:
    assert not caught(amended(fact_is("swarm", SessionEnded), ended_by=EndedBy.MAX_DURATION))


def test_a_record_of_somebody_outside_the_roster_is_invalid() -> None:
    stranger = replace(GOOD.records[-1], peer="zoe", fact=WorkChanged(WorkState.DONE))
    found = caught(replace(GOOD, records=(*GOOD.records[:-1], stranger, GOOD.records[-1])))
    assert found == {"every_peer_finished": "invalid: zoe is not in the roster"}
