"""When a peer is at rest, and what it then reports."""

from typing import Any

from tests.helpers.driven import Driven
from tests.helpers.peers import announced, claim, facts, identified, model, receipt, score, weights

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.protocol.rest import Rest
from learnae.protocol.types import Cid, Timer


def idle(**settings: Any) -> Driven:
    """A peer that has loaded the initial weights and has nothing to train."""
    return Driven(**{"wants_payment": False, "expected_identities": 0, "slices_planned": 0, **settings}).loaded()


def test_a_peer_is_at_rest_before_it_is_done() -> None:
    driven = Driven(wants_payment=False, expected_identities=0, slices_planned=0)
    assert driven.peer.rest() is None
    driven.loaded()
    report = driven.peer.rest()
    assert report and not report.announced and not report.received
    assert driven.peer.status().work is WorkState.IDLE and not driven.peer.quiet
    driven.fires(Timer.WORK)
    assert driven.peer.status().work is WorkState.DONE and driven.peer.rest() == report


def test_it_is_not_at_rest_before_its_work_has_begun() -> None:
    driven = Driven(wants_payment=False, expected_identities=2, slices_planned=0).loaded()
    assert driven.peer.rest() is None
    driven.fires(Timer.START)
    assert driven.peer.rest()


def test_it_is_not_at_rest_while_it_has_slices_to_train() -> None:
    driven = idle(stores=False, slices_planned=1)
    assert driven.peer.rest() is None
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert driven.peer.rest() is None
    driven.stored()
    report = driven.peer.rest()
    assert report and report.announced == {"me 1"}


def test_it_is_not_at_rest_with_a_model_that_its_store_lacks() -> None:
    driven = idle(stores=False, slices_planned=1)
    driven.scored(do.TrainSlice, "me-1", score(60))
    driven.fails(do.StoreModel)
    assert driven.peer.rest() is None
    driven.fires(Timer.ANNOUNCE)
    driven.stored()
    assert driven.peer.rest()


def test_it_is_not_at_rest_while_a_model_can_be_fetched_or_tried() -> None:
    driven = idle()
    driven.hears("bob")
    assert driven.peer.rest() is None  # being fetched
    driven.fails(do.FetchModel)
    assert driven.peer.rest() is None  # to be fetched again
    driven.after(40.0)
    driven.fires(Timer.FETCH)
    driven.fetched()
    assert driven.peer.rest() is None  # being tried
    driven.scored(do.AverageModels, "me-1", score(10))
    report = driven.peer.rest()
    assert report and report.received == {"bob 1"}


def test_a_model_that_it_has_no_patience_for_keeps_it_from_rest_only_if_it_would_wake_it() -> None:
    driven = idle(patience=1).attempted("bob", 10)
    assert driven.peer.status().work is WorkState.DONE and driven.peer.rest()
    driven.hears("bob", 2)
    assert driven.peer.rest() is None
    driven.fetched()
    driven.scored(do.AverageModels, "me-1", score(10))
    report = driven.peer.rest()
    assert report and report.received == {"bob 2"}


def test_a_poisoner_fetches_nothing_and_is_at_rest_when_it_has_published_everything() -> None:
    driven = idle(policy="poisoner", slices_planned=1)
    driven.hears("bob")
    assert driven.peer.rest() is None
    driven.forged(weights("noise"))
    driven.stored()
    report = driven.peer.rest()
    assert report and report.announced == {"me 1"} and report.received == {"bob 1"}


def test_it_is_not_at_rest_before_it_is_registered_and_reports_its_claim() -> None:
    driven = Driven(expected_identities=0, slices_planned=0).loaded()
    assert driven.peer.rest() is None
    driven.registered()
    assert driven.peer.rest() is None  # the deployment is not final
    driven.looks(9, receipt(0, block=1, contract="0xmine"))
    report, own = driven.peer.rest(), driven.peer.status().claim
    assert report and own and report.announced == {f"me {own.deploy_tx}"}


def test_it_is_not_at_rest_with_an_open_payment() -> None:
    driven = idle().meets("bob").attempted("bob", 60)
    driven.signs()
    driven.sent()
    assert driven.peer.rest() is None
    driven.looks(9, receipt(0, block=2))
    assert driven.peer.rest()


def test_a_claim_counts_as_received_once_it_was_found_on_the_chain() -> None:
    driven = idle()
    event = driven.screens("bob", identified(claim("bob")))
    assert not isinstance(event, Reason)
    driven.tell(event)
    assert driven.peer.rest() is None  # being read
    driven.fails(do.ReadClaim, Reason.UNREACHABLE)
    assert driven.peer.rest() is None  # to be read again
    driven.fires(Timer.CHAIN)
    driven.read(facts("bob"))
    report = driven.peer.rest()
    assert report and report.received == {f"bob {claim('bob').deploy_tx}"}


def test_a_claim_that_the_chain_lacks_does_not_count_as_received() -> None:
    driven = idle()
    driven.meets("bob")
    event = driven.screens("eve", identified(claim("eve")))
    assert not isinstance(event, Reason)
    driven.tell(event)
    driven.fails(do.ReadClaim, Reason.INVALID_RESPONSE)
    report = driven.peer.rest()
    assert report and len(report.received) == 1


def test_what_would_not_be_taken_in_does_not_count_as_received() -> None:
    driven = idle(max_announcements=1).attempted("bob", 10)
    assert driven.screens("bob", announced(model("bob", 2))) is Reason.RATE_LIMIT
    report = driven.peer.rest()
    assert report and report.received == {"bob 1"}


def test_a_peer_at_rest_is_done_when_the_session_is_closed() -> None:
    driven = idle()
    driven.tell(on.SessionClosed(driven.now))
    assert driven.facts(WorkChanged)[-1] == WorkChanged(WorkState.DONE)


def test_a_peer_that_has_something_to_do_is_not_done_when_the_session_is_closed() -> None:
    fetching, training, done = idle(), idle(slices_planned=1), idle()
    fetching.hears("bob")
    done.fires(Timer.WORK)
    for driven in (fetching, training, done):
        before = driven.facts(WorkChanged)
        driven.tell(on.SessionClosed(driven.now))
        assert driven.facts(WorkChanged) == before


def test_a_peer_has_received_what_another_announced_when_it_knows_all_that_it_accepts() -> None:
    ann = Rest(frozenset({"ann 1"}), frozenset(), frozenset({Cid("rows")}))
    for received, rows, expected in (
        ({"ann 1"}, {"rows", "more"}, True),
        ({"ann 1"}, None, True),  # it accepts no rows
        ({"ann 1"}, {"more"}, False),
        (set(), {"rows"}, False),
    ):
        known = None if rows is None else frozenset(map(Cid, rows))
        assert Rest(frozenset(), frozenset(received), frozenset(), known).has_received(ann) is expected
