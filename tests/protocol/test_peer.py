"""The peer as a whole: what it lets in, when it begins, when it is quiet."""

from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import SESSION, announced, claim, config, facts, identified, model, receipt, score, weights

from learnae.errors import DriverError, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.announcing import GREETING_DELAY
from learnae.protocol.decisions import PluginFailed, TrainingFailed, WorkBegan, WorkState
from learnae.protocol.events import Announcement
from learnae.protocol.replay import new_peer
from learnae.protocol.types import Cid, PeerId, Timer


def done(**settings: Any) -> Driven:
    """A peer that has nothing left to do."""
    driven = Driven(**{"wants_payment": False, "expected_identities": 0, "slices_planned": 0, **settings}).loaded()
    driven.fires(Timer.WORK)
    return driven


@pytest.mark.parametrize("said", [announced(model("bob")), identified(claim("bob"))], ids=["model", "identity"])
def test_gossip_is_screened_before_it_is_an_event(said: Announcement) -> None:
    driven = done()
    heard = driven.screens("bob", said)
    assert isinstance(heard, on.ModelReceived | on.ClaimReceived) and heard.at == driven.now
    assert driven.screens("bob", replace(said, session=Cid("another"))) is Reason.SESSION
    assert driven.screens("me", said) is Reason.REPEAT


def test_nobody_announces_anothers_model() -> None:
    assert done().screens("eve", announced(model("bob"))) is Reason.SENDER


def test_anybody_may_repeat_anothers_claim() -> None:
    assert isinstance(done().screens("eve", identified(claim("bob"))), on.ClaimReceived)


def test_strangers_are_dropped_when_the_reservoir_is_full_of_better_ones() -> None:
    driven = done(max_peers=2)
    answers = {name: driven.screens(name, announced(model(name))) for name in map(str, range(2))}
    for event in answers.values():
        assert isinstance(event, on.ModelReceived)
        driven.tell(event)
    later = [driven.screens(name, announced(model(name))) for name in map(str, range(2, 30))]
    assert Reason.PEER_LIMIT in later


def test_screening_changes_nothing() -> None:
    driven, other = done(), done()
    for sender in ("ann", "bob"):
        driven.screens(sender, announced(model(sender)))
        driven.screens(sender, identified(claim(sender)))
    assert driven.hears("cat") == other.hears("cat")


def test_a_newcomer_is_told_soon_what_it_missed() -> None:
    driven = done()
    driven.hears("bob")
    assert driven.waits(Timer.ANNOUNCE) == GREETING_DELAY
    driven.after(0.5).hears("ann")
    assert driven.waits(Timer.ANNOUNCE) == GREETING_DELAY - 0.5


def test_who_is_known_already_is_told_on_the_period() -> None:
    driven = done()
    driven.hears("bob")
    driven.fires(Timer.ANNOUNCE)
    driven.hears("bob", 2)
    assert driven.waits(Timer.ANNOUNCE) == driven.config.network.announce_every


def test_work_begins_when_enough_identities_are_heard_the_peers_own_included() -> None:
    driven = Driven(expected_identities=3).loaded()
    driven.meets("ann").meets("bob")
    assert not driven.facts(WorkBegan)
    driven.registered()
    assert driven.facts(WorkBegan) == [WorkBegan(3, timed_out=False)]


def test_work_begins_after_the_timeout_at_the_latest_and_once() -> None:
    driven = Driven(expected_identities=3).loaded().meets("ann")
    driven.fires(Timer.START)
    assert driven.facts(WorkBegan) == [WorkBegan(1, timed_out=True)]
    driven.meets("bob").meets("cat")
    assert len(driven.facts(WorkBegan)) == 1


def test_the_timeout_of_a_session_that_has_begun_is_nothing() -> None:
    driven = Driven(expected_identities=0)
    driven.fires(Timer.START)
    assert driven.facts(WorkBegan) == [WorkBegan(0, timed_out=False)]


def test_a_peer_is_quiet_when_it_is_done_and_nothing_is_under_way() -> None:
    driven = Driven(wants_payment=False, expected_identities=0, slices_planned=0)
    assert not driven.peer.quiet
    driven.loaded()
    assert not driven.peer.quiet
    driven.fires(Timer.WORK)
    assert driven.peer.quiet


def test_a_peer_with_a_model_nobody_can_have_yet_is_not_quiet() -> None:
    driven = (
        Driven(stores=False, wants_payment=False, expected_identities=0, slices_planned=0, idle_after=0.0)
        .loaded()
        .attempted("bob", 60)
    )
    driven.fires(Timer.WORK)
    driven.fails(do.StoreModel)
    assert not driven.peer.quiet
    driven.fires(Timer.ANNOUNCE)
    driven.stored()
    assert driven.peer.quiet


def test_a_peer_with_a_payment_under_way_is_not_quiet() -> None:
    driven = (
        Driven(wants_payment=False, expected_identities=0, slices_planned=0).loaded().meets("bob").attempted("bob", 60)
    )
    driven.signs()
    driven.fires(Timer.WORK)
    assert not driven.peer.quiet
    driven.looks(9, receipt(0, block=2))
    assert driven.peer.quiet


def test_a_peer_has_seen_all_slices_after_the_last_one() -> None:
    driven = Driven(wants_payment=False, expected_identities=0, slices_planned=1).loaded()
    assert not driven.peer.saw_all_slices
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert driven.peer.saw_all_slices


def test_a_status_shows_the_work_and_stays_as_it_is_while_the_peer_goes_on() -> None:
    driven = Driven(wants_payment=False, expected_identities=0, slices_planned=0).loaded().meets("bob")
    before = driven.peer.status()
    assert (before.work, before.work_began, before.step) == (WorkState.IDLE, True, 0)
    assert (before.weights, before.score, before.published) == (weights("initial"), score(50), None)
    assert (before.peers_known, before.debts, before.closed) == (1, (), False)
    assert before.payee(PeerId("bob")) == "0xbob" and before.payee(PeerId("ann")) is None
    driven.attempted("bob", 60)
    after = driven.peer.status()
    assert (after.weights, after.step) == (weights("me-1"), 1) and driven.peer.weights == after.weights
    assert after.published and after.published.step == 1
    assert [debt.creator for debt in after.debts] == ["bob"] and not after.settled
    assert before.step == 0 and before.debts == ()


def test_a_stale_answer_changes_nothing_but_the_time() -> None:
    driven = done()
    driven.after(1.0)
    assert driven.tell(on.ModelFetched(driven.now, 1)) == []
    with pytest.raises(DriverError):
        driven.tell(on.ModelFetched(0.0, 1))


def test_a_timer_that_was_never_set_does_nothing() -> None:
    driven = done()
    assert driven.tell(on.TimerFired(driven.now, Timer.CHAIN)) == []


def test_the_driver_may_not_report_what_cannot_have_happened() -> None:
    peer = new_peer(config())
    with pytest.raises(DriverError):
        peer.handle(on.ModelFetched(0.0, 1))
    assert peer.outstanding() == []


def test_work_and_identity_do_not_wait_for_each_other() -> None:
    driven = Driven(expected_identities=0).loaded()
    driven.fails(do.SignDeployment)
    assert driven.all_asked(do.TrainSlice)
    working = Driven(expected_identities=0)
    working.fails(do.FetchModel)
    assert working.registered().peer.status().claim


def test_two_peers_with_other_salts_try_others_first() -> None:
    picked = set()
    for salt in map(str, range(20)):
        driven = Driven(wants_payment=False, expected_identities=99, salt=salt).loaded()
        for name in ("ann", "bob", "cat"):
            driven.hears(name)
        driven.fires(Timer.START)
        driven.fetched()
        driven.scored(do.TrainSlice, "me-1", score(60))
        picked.add(driven.asked(do.AverageModels).remote.creator)
    assert picked == {PeerId("ann"), PeerId("bob"), PeerId("cat")}


def test_a_claim_is_read_for_the_session_at_hand() -> None:
    driven = done()
    event = driven.screens("bob", identified(claim("bob")))
    assert isinstance(event, on.ClaimReceived)
    driven.tell(event)
    assert driven.asked(do.ReadClaim).session == SESSION
    driven.read(facts("bob"))


def test_a_peer_without_slices_to_train_has_seen_all_of_them_from_the_start() -> None:
    assert Driven(slices_planned=0).peer.saw_all_slices
    assert not Driven(slices_planned=1).peer.saw_all_slices


def test_a_model_that_raises_is_named_and_the_peer_goes_on() -> None:
    driven = Driven(wants_payment=False, expected_identities=0).loaded()
    failed = PluginFailed("net.py:Net", 7, "KeyError")
    driven.tell(on.RequestFailed(driven.now, driven.asked(do.TrainSlice).request, Reason.PLUGIN, failed))
    assert driven.facts(PluginFailed) == [failed]
    assert driven.facts(TrainingFailed)[0].reason is Reason.PLUGIN
    assert driven.asked(do.TrainSlice).slice == 1
