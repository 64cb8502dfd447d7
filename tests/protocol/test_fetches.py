"""Which models are fetched when, and what a tarpit, whose models never arrive, can and cannot delay."""

from collections import Counter
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import model, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import Averaged, WorkChanged, WorkState
from learnae.protocol.delivery import RETRY_AFTER
from learnae.protocol.fetches import (
    FIRST_SLOW,
    MIN_SLOW,
    OPEN,
    OUTAGE_WAIT,
    READY,
    RESERVED,
    SLOW,
    STRANGERS,
    STRANGERS_IF_SLOW,
)
from learnae.protocol.types import Timer

CREATORS = tuple(f"creator {number}" for number in range(20))


def working(**settings: Any) -> Driven:
    """A peer that has begun and trains its first slice."""
    return Driven(**{"wants_payment": False, "expected_identities": 0, "max_peers": 50, **settings}).loaded()


def fetching(driven: Driven) -> list[str]:
    return [request.model.creator for request in driven.all_asked(do.FetchModel) if request.model]


def arrives(driven: Driven, creator: str) -> None:
    (request,) = (each for each in driven.all_asked(do.FetchModel) if each.model and each.model.creator == creator)
    driven.tell(on.ModelFetched(driven.now, request.request))


def fails(driven: Driven, creator: str) -> None:
    (request,) = (each for each in driven.all_asked(do.FetchModel) if each.model and each.model.creator == creator)
    driven.tell(on.RequestFailed(driven.now, request.request, Reason.TIMEOUT))


def ready(driven: Driven) -> list[str]:
    return [model.creator for model in driven.peer.status().fetched]


def idle(*creators: str) -> Driven:
    """A peer without slices that has averaged once with a model of each of these."""
    driven = working(slices_planned=0, patience=1000)
    for creator in creators:
        driven.attempted(creator, 0)
    return driven


def work(driven: Driven) -> WorkState:
    return driven.peer.status().work


# limits


def test_strangers_are_fetched_from_one_at_a_time_and_more_while_a_fetch_is_slow() -> None:
    driven = working()
    for creator in CREATORS:
        driven.hears(creator)
    assert len(fetching(driven)) == STRANGERS == 1
    assert driven.waits(Timer.FETCH) == FIRST_SLOW
    driven.fires(Timer.FETCH)
    assert len(fetching(driven)) == 1 + STRANGERS_IF_SLOW


def test_slow_fetches_from_strangers_leave_room_for_reliable_creators() -> None:
    driven = idle("ann", "bob", "cat")
    for creator in CREATORS:
        driven.hears(creator)
    for room in (5, 9, OPEN - RESERVED, OPEN - RESERVED):
        driven.after(MIN_SLOW).tell(on.TimerFired(driven.now, Timer.FETCH))
        assert len(fetching(driven)) == room
    for creator in ("ann", "bob", "cat"):
        driven.hears(creator, 2)
        driven.after(MIN_SLOW).tell(on.TimerFired(driven.now, Timer.FETCH))
    assert len(fetching(driven)) == OPEN


def test_no_more_is_fetched_once_enough_is_at_hand() -> None:
    driven = working()
    for creator in CREATORS:
        driven.hears(creator)
    while fetching(driven):
        arrives(driven, fetching(driven)[0])
    assert READY <= len(ready(driven)) <= READY + STRANGERS


def test_reliable_creators_share_the_room_with_what_is_at_hand() -> None:
    driven = idle(*CREATORS)
    driven.hears("stranger")
    arrives(driven, "stranger")  # being averaged with
    for creator in CREATORS:
        driven.hears(creator, 2)
    assert len(fetching(driven)) == READY
    arrives(driven, fetching(driven)[0])
    assert len(ready(driven)) == READY and not fetching(driven)


def test_tarpits_take_no_room_from_reliable_creators() -> None:
    driven = idle("ann")
    for creator in CREATORS:
        driven.hears(creator)
    assert len(fetching(driven)) == STRANGERS
    driven.hears("ann", 2)
    assert "ann" in fetching(driven)


def test_a_fetch_that_takes_long_makes_room_for_others() -> None:
    driven = idle(*CREATORS)
    driven.hears("stranger")
    arrives(driven, "stranger")  # being averaged with
    for creator in CREATORS:
        driven.hears(creator, 2)
    assert len(fetching(driven)) == READY and driven.waits(Timer.FETCH) == MIN_SLOW
    for room in (2, 3, 4):
        driven.after(MIN_SLOW).tell(on.TimerFired(driven.now, Timer.FETCH))
        assert len(fetching(driven)) == room


def test_what_is_slow_depends_on_what_is_usual() -> None:
    driven = idle()
    for seconds in (1.0, 4.0, 1.0):
        driven.hears(f"creator of {len(driven.recorded)}")
        driven.after(seconds).fetched()
        driven.scored(do.AverageModels, f"average {len(driven.recorded)}", score(0))
    for creator in CREATORS[:2]:
        driven.hears(creator)
    assert len(fetching(driven)) == 1 and driven.waits(Timer.FETCH) == SLOW * 1.0


def test_one_fetch_at_a_time_per_creator() -> None:
    driven = working()
    driven.hears("bob")
    driven.hears("bob", 2)
    assert fetching(driven) == ["bob"]


def test_every_creator_is_fetched_from_alike() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(200):
        driven = working(salt=str(seed), expected_identities=99)
        for creator in CREATORS:
            driven.hears(creator)
        driven.fires(Timer.START)
        arrives(driven, fetching(driven)[0])
        drawn.update(ready(driven))
    assert len(drawn) == len(CREATORS)
    assert all(2 < count < 25 for count in drawn.values())  # 10 are expected


# what is superseded


def test_a_model_that_is_superseded_before_it_is_tried_is_dropped() -> None:
    driven = working()
    driven.hears("bob")
    arrives(driven, "bob")
    assert ready(driven) == ["bob"]
    driven.hears("bob", 2)
    assert ready(driven) == [] and driven.asked(do.FetchModel).model == model("bob", 2)


def test_a_model_that_is_superseded_on_its_way_is_used_before_the_newer_one_is_fetched() -> None:
    driven = working()
    driven.hears("bob")
    driven.hears("bob", 2)
    arrives(driven, "bob")
    assert driven.peer.status().fetched == (model("bob"),) and not fetching(driven)
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert driven.asked(do.AverageModels).remote == model("bob")
    assert driven.asked(do.FetchModel).model == model("bob", 2)


def out_of_patience() -> Driven:
    """A peer that has averaged with one of four models that it had fetched, and is DONE."""
    driven = working(slices_planned=0, patience=1)
    for creator in CREATORS[:4]:
        driven.hears(creator)
    arrives(driven, fetching(driven)[0])
    arrives(driven, fetching(driven)[0])
    assert len(ready(driven)) == READY
    driven.scored(do.AverageModels, "average", score(0))
    assert work(driven) is WorkState.DONE
    return driven


@pytest.mark.parametrize(("creator", "step"), [*((creator, 2) for creator in CREATORS[:4]), ("stranger", 1)])
def test_models_that_were_never_tried_keep_no_news_from_a_peer_that_is_done(creator: str, step: int) -> None:
    driven = out_of_patience()
    driven.hears(creator, step)
    assert fetching(driven) == [creator]
    arrives(driven, creator)
    assert work(driven) is WorkState.MERGING
    assert driven.asked(do.AverageModels).remote == model(creator, step)


def test_all_news_is_tried_before_a_peer_stays_done() -> None:
    driven = out_of_patience()
    news = CREATORS[4:7]
    for creator in news:
        driven.hears(creator)
    while fetching(driven):
        arrives(driven, fetching(driven)[0])
        if work(driven) is WorkState.MERGING:
            driven.scored(do.AverageModels, f"average {len(driven.recorded)}", score(0))
    assert {fact.creator for fact in driven.facts(Averaged)} >= set(news)
    assert work(driven) is WorkState.DONE and not ready(driven)
    driven.hears("stranger")
    assert fetching(driven) == ["stranger"]


def test_a_model_of_a_creator_that_made_room_is_not_tried() -> None:
    driven = working(max_peers=1)
    driven.hears("bob")
    stranger = next(name for name in map(str, range(100)) if driven.peer._peer_book.has_room_for(name))  # type: ignore[arg-type]
    driven.hears(stranger)
    arrives(driven, "bob")
    assert ready(driven) == []


def test_a_fetch_from_a_creator_that_made_room_may_fail() -> None:
    driven = working(max_peers=1)
    driven.hears("bob")
    stranger = next(name for name in map(str, range(100)) if driven.peer._peer_book.has_room_for(name))  # type: ignore[arg-type]
    driven.hears(stranger)
    fails(driven, "bob")
    assert fetching(driven) == [stranger]


# failures


def test_a_failed_fetch_is_repeated_later_whatever_a_stranger_announces() -> None:
    driven = working()
    driven.hears("bob")
    fails(driven, "bob")
    driven.hears("bob", 2)
    assert not fetching(driven) and driven.waits(Timer.FETCH) == RETRY_AFTER
    driven.fires(Timer.FETCH)
    assert driven.asked(do.FetchModel).model == model("bob", 2)


def test_after_an_outage_what_is_new_is_fetched_at_once() -> None:
    driven = idle("bob")
    driven.hears("bob", 2)
    for _ in range(4):
        fails(driven, "bob")
        driven.fires(Timer.FETCH)
    fails(driven, "bob")
    driven.hears("bob", 3)
    assert fetching(driven) == ["bob"]


def test_the_timer_is_for_the_earliest_of_all_waits() -> None:
    driven = working()
    driven.hears("ann")
    fails(driven, "ann")
    driven.after(1.0)
    driven.hears("bob")
    fails(driven, "bob")
    driven.fires(Timer.FETCH)
    assert fetching(driven) == ["ann"]
    assert driven.waits(Timer.FETCH) == 1.0


# endings


def test_a_tarpit_does_not_delay_the_end() -> None:
    driven = idle("ann", "bob", "cat")
    driven.hears("tarpit")
    driven.fires(Timer.WORK)
    assert work(driven) is WorkState.DONE and driven.peer.quiet
    assert fetching(driven) == ["tarpit"]
    for step in range(2, 5):
        driven.hears("tarpit", step)
        fails(driven, "tarpit")
        assert driven.peer.quiet
        driven.fires(Timer.FETCH)


def test_a_model_of_a_reliable_creator_is_waited_for() -> None:
    driven = idle("ann", "bob", "cat")
    driven.hears("ann", 2)
    driven.fires(Timer.WORK)
    assert work(driven) is WorkState.IDLE and not driven.peer.quiet
    fails(driven, "ann")
    assert work(driven) is WorkState.DONE and driven.peer.quiet


def test_in_an_outage_a_peer_waits_longer_and_then_ends() -> None:
    driven = idle("ann", "bob", "cat")
    for creator in ("ann", "bob"):
        driven.hears(creator, 2)
        fails(driven, creator)
    driven.after(driven.config.work.idle_after)
    driven.fires(Timer.FETCH)
    assert work(driven) is WorkState.IDLE
    for creator in fetching(driven):
        fails(driven, creator)
    wait = driven.waits(Timer.WORK)
    assert wait and OUTAGE_WAIT - 10 < wait < OUTAGE_WAIT
    driven.fires(Timer.WORK)
    assert work(driven) is WorkState.DONE


def test_when_the_outage_ends_the_attempts_continue() -> None:
    driven = idle("ann")
    driven.hears("ann", 2)
    for _ in range(5):
        fails(driven, "ann")
        driven.fires(Timer.FETCH)
    arrives(driven, "ann")
    driven.scored(do.AverageModels, "average", score(0))
    assert [fact.remote_cid for fact in driven.facts(Averaged)] == ["ann-1", "ann-2"]


def test_only_after_begin_and_never_after_the_close_is_anything_fetched() -> None:
    driven = Driven(wants_payment=False, expected_identities=5).loaded()
    driven.hears("bob")
    assert not fetching(driven)
    begun = working()
    begun.tell(on.SessionClosed(begun.now))
    begun.hears("bob")
    assert not fetching(begun)
    assert WorkState.DONE not in [changed.work for changed in begun.facts(WorkChanged)]
