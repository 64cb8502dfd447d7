"""Row blocks of an open session: published, fetched, drawn as slices, limited."""

from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import ME, SESSION, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import FetchFailed, Trained, TrainingFailed, WorkChanged, WorkState
from learnae.protocol.policies import Role
from learnae.protocol.row_types import (
    PackRows,
    RowBlock,
    RowsAnnouncement,
    RowsFetched,
    RowsForwarded,
    RowsPacked,
    RowsPublished,
    RowsSigned,
    SignRows,
)
from learnae.protocol.types import Cid, PeerId, Timer


def open_peer(**settings: Any) -> Driven:
    """Of an open session, at work, with nobody's identity to wait for."""
    defaults = {"privacy": False, "wants_payment": False, "expected_identities": 0}
    return Driven(**{**defaults, **settings})


def profiteer(**settings: Any) -> Driven:
    return open_peer(role=Role.PROFITEER, slices_planned=0, **settings).loaded()


def block(creator: str, number: int = 1, cid: str = "") -> RowBlock:
    return RowBlock(PeerId(creator), number, Cid(cid or f"rows {creator} {number}"))


def hears(driven: Driven, rows: RowBlock, sender: str = "") -> Reason | None:
    announcement = RowsAnnouncement(SESSION, rows, "signature", (f"/{rows.creator}",))
    event = driven.peer.screen(PeerId(sender or rows.creator), announcement, driven.now)
    if isinstance(event, Reason):
        return event
    driven.tell(event)
    return None


def answers(driven: Driven, cid: str, failed: Reason | None = None) -> None:
    """The fetch of a block."""
    (request,) = (each for each in driven.all_asked(do.FetchModel) if each.cid == cid)
    made = (
        on.RequestFailed(driven.now, request.request, failed)
        if failed
        else on.ModelFetched(driven.now, request.request)
    )
    driven.tell(made)


def publish(driven: Driven, number: int) -> None:
    driven.tell(RowsPacked(driven.now, driven.asked(PackRows).request, Cid(f"own {number}")))
    driven.tell(RowsSigned(driven.now, driven.asked(SignRows).request, "signed"))
    (store,) = (each for each in driven.all_asked(do.StoreModel) if each.cid == f"own {number}")
    driven.tell(on.ModelStored(driven.now, store.request))


def announced_rows(driven: Driven) -> list[int]:
    told = [action.announcement for action in driven.actions if isinstance(action, do.Announce)]
    return [each.rows.number for each in told if isinstance(each, RowsAnnouncement)]


def test_a_provider_packs_signs_stores_and_announces_its_slices_one_after_another() -> None:
    driven = open_peer(role=Role.PROVIDER, slices_planned=0)
    publish(driven, 1)
    assert announced_rows(driven) == [1]
    driven.loaded()
    publish(driven, 2)
    assert driven.facts(RowsPublished) == [RowsPublished(1, Cid("own 1")), RowsPublished(2, Cid("own 2"))]
    assert not driven.all_asked(PackRows)
    driven.fires(Timer.ANNOUNCE)
    assert announced_rows(driven) == [1, 2]
    assert set(driven.peer.status().row_blocks) == {"own 1", "own 2"}


@pytest.mark.parametrize("step", [SignRows, do.StoreModel])
def test_a_publication_that_failed_continues_with_the_next_announcements(step: type[do.Request]) -> None:
    driven = open_peer(role=Role.PROVIDER, slices_planned=0)
    driven.tell(RowsPacked(driven.now, driven.asked(PackRows).request, Cid("own 1")))
    if step is do.StoreModel:
        driven.tell(RowsSigned(driven.now, driven.asked(SignRows).request, "signed"))
    driven.fires(Timer.ANNOUNCE)
    assert len(driven.all_asked(step)) == 1  # it is under way
    driven.fails(step)
    assert not driven.all_asked(step) and not driven.peer.quiet
    driven.fires(Timer.ANNOUNCE)
    assert len(driven.all_asked(step)) == 1


def test_packing_that_failed_is_tried_again_with_the_next_announcements() -> None:
    driven = open_peer(role=Role.PROVIDER, slices_planned=0)
    driven.fails(PackRows)
    assert not driven.all_asked(PackRows)
    driven.fires(Timer.ANNOUNCE)
    assert driven.asked(PackRows).slice == 0


def test_in_privacy_mode_nothing_is_packed_and_no_block_is_wanted() -> None:
    driven = Driven(wants_payment=False, expected_identities=0).loaded()
    assert not driven.all_asked(PackRows)
    assert hears(driven, block("ann")) is Reason.RATE_LIMIT


def test_a_profiteer_trains_on_a_received_block_once() -> None:
    driven = profiteer()
    assert hears(driven, block("ann")) is None
    answers(driven, "rows ann 1")
    asked = driven.asked(do.TrainSlice)
    assert (asked.rows, asked.earlier) == (block("ann"), ())
    driven.scored(do.TrainSlice, "trained", score(60))
    assert [(fact.slice, fact.rows) for fact in driven.facts(Trained)] == [(1, block("ann").cid)]
    assert driven.facts(RowsFetched) == [RowsFetched(PeerId("ann"), block("ann").cid)]
    assert not driven.all_asked(do.TrainSlice)
    assert hears(driven, block("ann")) is Reason.REPEAT
    hears(driven, block("ann", 2))
    answers(driven, "rows ann 2")
    assert driven.asked(do.TrainSlice).earlier == (block("ann").cid,)


def test_a_block_that_is_refused_is_named_and_not_tried_again() -> None:
    driven = profiteer()
    hears(driven, block("ann"))
    answers(driven, "rows ann 1")
    driven.fails(do.TrainSlice, Reason.LABELS)
    assert driven.facts(TrainingFailed) == [TrainingFailed(1, Reason.LABELS, block("ann").cid)]
    assert not driven.all_asked(do.TrainSlice)


def test_new_rows_wake_a_peer_that_is_done() -> None:
    driven = profiteer()
    driven.fires(Timer.WORK)
    assert driven.facts(WorkChanged)[-1].work is WorkState.DONE
    hears(driven, block("ann"))
    assert not driven.peer.quiet
    answers(driven, "rows ann 1")
    assert driven.all_asked(do.TrainSlice)


def test_own_slices_and_received_blocks_are_drawn_alike() -> None:
    orders = set()
    for salt in range(8):
        driven = open_peer(salt=f"{salt}", slices_planned=2)
        for number in (1, 2):
            hears(driven, block("ann", number))
            answers(driven, f"rows ann {number}")
        publish(driven, 1)
        driven.loaded()
        for step in range(4):
            if driven.all_asked(PackRows):
                publish(driven, 2)
            driven.scored(do.TrainSlice, f"trained {step}", score(60))
        units = [(fact.slice, fact.rows) for fact in driven.facts(Trained)]
        assert [slice for slice, rows in units if rows is None] == [0, 1]
        assert sorted(slice for slice, rows in units if rows) == [1, 2]
        orders.add(tuple(units))
    assert len(orders) > 2


def test_a_block_under_another_name_is_a_copy_and_an_own_one_too() -> None:
    driven = profiteer()
    hears(driven, block("ann"))
    assert hears(driven, block("bob", cid=block("ann").cid)) is Reason.COPY
    assert hears(driven, block(ME), sender="bob") is Reason.COPY
    provider = open_peer(role=Role.TRAINER)
    publish(provider, 1)
    assert hears(provider, block("bob", cid="own 1")) is Reason.COPY


def test_the_sender_need_not_be_the_creator() -> None:
    driven = profiteer()
    assert hears(driven, block("sensor"), sender="bridge") is None
    assert driven.asked(do.FetchModel).model == block("sensor")


def test_a_block_that_was_received_twice_before_it_is_handled_is_fetched_once() -> None:
    driven = profiteer()
    announcement = RowsAnnouncement(SESSION, block("bob"), "signature")
    twice = [driven.peer.screen(PeerId("bob"), announcement, driven.now) for _ in range(2)]
    for event in twice:
        assert not isinstance(event, Reason)
        driven.tell(event)
    answers(driven, "rows bob 1")
    assert not driven.all_asked(do.FetchModel) and driven.peer.status().row_blocks == ("rows bob 1",)


def test_blocks_are_limited_per_creator_and_in_all() -> None:
    driven = profiteer(max_row_blocks=3, max_row_blocks_per_creator=2)
    said = [hears(driven, block(*each)) for each in (("ann", 1), ("ann", 2), ("ann", 3), ("bob", 1), ("cat", 1))]
    assert said == [None, None, Reason.RATE_LIMIT, None, Reason.RATE_LIMIT]


def test_a_fetch_that_fails_is_tried_again_later_until_it_is_given_up() -> None:
    driven = profiteer()
    hears(driven, block("ann"))
    tries = 0
    while driven.all_asked(do.FetchModel):
        answers(driven, "rows ann 1", Reason.TIMEOUT)
        tries += 1
        assert not driven.all_asked(do.FetchModel)
        if driven.waits(Timer.FETCH) is None:
            break
        driven.fires(Timer.FETCH)
    assert 3 < tries < 20
    assert len(driven.facts(FetchFailed)) == tries


def test_a_keeper_fetches_rows_and_trains_on_none() -> None:
    driven = open_peer(role=Role.KEEPER, slices_planned=0)
    for number in (1, 2, 3, 4):
        hears(driven, block("ann", number))
    for _ in range(4):
        answers(driven, driven.asked(do.FetchModel).cid)
    assert len(driven.peer.status().row_blocks) == 4
    assert not driven.all_asked(do.TrainSlice)


def test_a_provider_wants_no_rows_of_others() -> None:
    assert hears(open_peer(role=Role.PROVIDER, slices_planned=0), block("ann")) is Reason.RATE_LIMIT


def test_no_more_than_three_blocks_are_at_hand_or_on_their_way() -> None:
    driven = profiteer()
    for number in range(1, 7):
        hears(driven, block("ann", number))
    assert len(driven.all_asked(do.FetchModel)) == 3


def test_a_peer_is_at_rest_when_all_own_rows_are_published_and_reports_them() -> None:
    driven = open_peer(role=Role.PROVIDER, slices_planned=0)
    publish(driven, 1)
    driven.loaded()
    assert driven.peer.rest() is None
    publish(driven, 2)
    report = driven.peer.rest()
    assert report and report.rows_announced == {"own 1", "own 2"} and report.rows_received is None


def test_a_peer_is_at_rest_when_all_known_rows_are_trained_on_or_given_up() -> None:
    driven = profiteer()
    report = driven.peer.rest()
    assert report and report.rows_received == frozenset()
    hears(driven, block("ann"))
    assert driven.peer.rest() is None  # on its way
    answers(driven, "rows ann 1")
    driven.scored(do.TrainSlice, "trained", score(60))
    report = driven.peer.rest()
    assert report and report.rows_received == frozenset({block("ann").cid})
    hears(driven, block("bob"))
    while driven.all_asked(do.FetchModel):
        assert driven.peer.rest() is None
        answers(driven, "rows bob 1", Reason.TIMEOUT)
        if driven.waits(Timer.FETCH) is None:
            break
        assert driven.peer.rest() is None  # to be fetched again
        driven.fires(Timer.FETCH)
    report = driven.peer.rest()
    assert report and report.rows_received == frozenset({block("ann").cid, block("bob").cid})


def test_a_peer_that_accepts_no_more_blocks_reports_that() -> None:
    driven = profiteer(max_row_blocks=1)
    hears(driven, block("ann"))
    answers(driven, "rows ann 1")
    driven.scored(do.TrainSlice, "trained", score(60))
    report = driven.peer.rest()
    assert report and report.rows_received is None


def bridge(role: Role = Role.PROFITEER, **settings: Any) -> Driven:
    driven = open_peer(role=role, slices_planned=0, sensors=(PeerId("sensor"),), **settings)
    return driven.loaded() if role is Role.PROFITEER else driven


@pytest.mark.parametrize("role", [Role.PROFITEER, Role.KEEPER, Role.PROVIDER])
def test_a_peer_that_follows_the_feed_announces_the_rows_of_sensors_again_and_again(role: Role) -> None:
    driven = bridge(role)
    hears(driven, block("sensor", 7))
    assert announced_rows(driven) == []
    answers(driven, "rows sensor 7")
    assert announced_rows(driven) == [7]
    assert driven.facts(RowsForwarded) == [RowsForwarded(PeerId("sensor"), 7, Cid("rows sensor 7"))]
    driven.fires(Timer.ANNOUNCE)
    told = [action.announcement for action in driven.actions if isinstance(action, do.Announce)]
    (again,) = (each for each in told if isinstance(each, RowsAnnouncement) and each.rows.creator == "sensor")
    assert (again.signature, again.addresses) == ("signature", ())


def test_blocks_of_others_are_not_forwarded() -> None:
    driven = bridge()
    hears(driven, block("ann"))
    answers(driven, "rows ann 1")
    assert announced_rows(driven) == [] and not driven.facts(RowsForwarded)


def test_a_provider_that_follows_the_feed_takes_no_other_rows() -> None:
    driven = bridge(Role.PROVIDER)
    assert hears(driven, block("sensor")) is None
    assert hears(driven, block("ann")) is Reason.RATE_LIMIT


def test_rows_of_sensors_are_forwarded_while_others_wait_for_room() -> None:
    driven = bridge()
    for number in range(1, 7):
        hears(driven, block("ann", number))
    for number in (1, 2):
        hears(driven, block("sensor", number))
    fetched = [each.model.creator for each in driven.all_asked(do.FetchModel) if isinstance(each.model, RowBlock)]
    assert sorted(fetched) == ["ann", "ann", "ann", "sensor", "sensor"]


def test_the_peer_that_forwarded_rows_trains_on_them_too() -> None:
    driven = bridge()
    hears(driven, block("sensor"))
    answers(driven, "rows sensor 1")
    assert driven.asked(do.TrainSlice).rows == block("sensor")


def test_forwarded_rows_are_among_what_others_must_receive_before_a_session_settles() -> None:
    driven = bridge()
    hears(driven, block("sensor"))
    answers(driven, "rows sensor 1")
    driven.scored(do.TrainSlice, "trained", score(60))
    rest = driven.peer.rest()
    assert rest and rest.rows_announced == {Cid("rows sensor 1")}
