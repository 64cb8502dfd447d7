"""Who is known, what they have, and whom to try next."""

from tests.helpers.peers import announced, config, model

from learnae.errors import Reason
from learnae.protocol.delivery import MAX_FAILURES, TRIAL_AFTER
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.types import ModelRef, PeerId

BOB = PeerId("bob")


def crowd(*names: str, step: int = 1, **settings: int) -> PeerBook:
    """Each was heard with a model."""
    book = PeerBook(config(**settings))
    for name in names:
        hear(book, model(name, step))
    return book


def hear(book: PeerBook, heard: ModelRef) -> Reason | None:
    if heard.creator not in book.peers:
        book.add(heard.creator)
    return book.receive(announced(heard), 0.0)


def wanted(book: PeerBook) -> list[ModelRef]:
    return book.wanted(0.0, only_news=False)


def test_the_order_of_models_does_not_depend_on_the_order_of_arrival() -> None:
    book, reverse = crowd("ann", "bob", "cat"), crowd("cat", "bob", "ann")
    hear(book, model("ann", 2))
    hear(reverse, model("ann", 2))
    assert wanted(book) == wanted(reverse)
    assert sorted(model.creator for model in wanted(book)) == ["ann", "bob", "cat"]


def test_only_the_newest_model_of_a_creator_is_fetched_and_only_once() -> None:
    book = crowd("bob")
    hear(book, model("bob", 2))
    assert wanted(book) == [model("bob", 2)]
    assert book.fetched(model("bob", 2), 1.0)
    assert wanted(book) == []
    hear(book, model("bob", 3))
    assert wanted(book) == [model("bob", 3)]


def test_a_model_that_arrives_after_a_newer_one_was_announced_may_be_tried_and_the_newer_one_is_still_wanted() -> None:
    book = crowd("bob")
    hear(book, model("bob", 2))
    assert book.fetched(model("bob"), 1.0)
    assert wanted(book) == [model("bob", 2)]


def test_what_was_announced_to_a_peer_that_is_done_is_news() -> None:
    book = crowd("ann", "bob")
    book.receive(announced(model("bob", 2)), 0.0, news=True)
    assert book.wanted(0.0, only_news=True) == [model("bob", 2)]
    assert book.wakes(model("bob", 2)) and not book.wakes(model("bob")) and not book.wakes(model("ann"))
    assert not book.wakes(model("stranger"))


def test_a_creator_has_a_budget_of_attempts() -> None:
    book = crowd("bob", max_attempts_per_creator=2)
    for step in (1, 2, 3):
        hear(book, model("bob", step))
        if step < 3:
            book.begin_attempt(model("bob", step))
    assert wanted(book) == []
    assert not book.fetched(model("bob", 3), 1.0)
    assert book.screen_model(announced(model("bob", 4))) is Reason.RATE_LIMIT


def test_a_creator_whose_models_never_arrive_waits_long_whatever_it_announces() -> None:
    book = crowd("ann", "bob")
    for failure in range(MAX_FAILURES):
        book.peers[BOB].delivery.fail(float(failure), last_arrival=failure - 0.5 if failure else 0.5)
        hear(book, model("bob", failure + 2))
    book.peers[BOB].delivery.fail(100.0, last_arrival=99.0)
    hear(book, model("bob", 99))
    assert book.peers[BOB].delivery.not_before >= 100.0 + TRIAL_AFTER


def test_a_creator_has_a_number_of_announcements() -> None:
    book = crowd("bob", max_announcements=2)
    assert book.screen_model(announced(model("bob", 2))) is None
    hear(book, model("bob", 2))
    assert book.screen_model(announced(model("bob", 3))) is Reason.RATE_LIMIT


def test_old_announcements_are_dropped_by_name() -> None:
    book = crowd("bob", step=5)
    assert book.screen_model(announced(model("bob", 5))) is Reason.REPEAT
    assert book.screen_model(announced(model("bob", 5, digest="another"))) is Reason.STALE
    assert book.screen_model(announced(model("bob", 4))) is Reason.STALE
    assert book.screen_model(announced(model("ann", 1))) is None


def test_old_tensors_under_a_new_number_are_nothing_new() -> None:
    book = crowd("bob")
    hear(book, model("bob", 2))
    assert book.screen_model(announced(model("bob", 3, digest="digest of bob-1"))) is Reason.REPEAT


def test_equal_tensors_under_another_name_are_a_copy_once_they_are_verified() -> None:
    book = crowd("bob")
    assert hear(book, model("eve", 1, digest="digest of bob-1")) is None
    assert book.credit(model("bob")) == [model("eve", 1, digest="digest of bob-1")]
    assert hear(book, model("eve", 2, digest="digest of bob-1")) is Reason.COPY
    assert wanted(book) == [model("bob")]


def test_a_creator_that_made_room_meanwhile_is_not_tried_again() -> None:
    book = crowd("bob", max_peers=1)
    stranger = next(name for name in map(PeerId, map(str, range(100))) if book.has_room_for(name))
    assert book.add(stranger) == BOB
    assert not book.fetched(model("bob"), 0.0)
    book.begin_attempt(model("bob"))
    assert list(book.peers) == [stranger]


def test_the_reservoir_keeps_the_same_peers_in_whatever_order_they_come() -> None:
    names = [PeerId(f"peer {number}") for number in range(40)]
    kept = []
    for order in (names, names[::-1]):
        book = PeerBook(config(max_peers=8))
        for name in order:
            if book.has_room_for(name):
                book.add(name)
        kept.append(set(book.peers))
    assert kept[0] == kept[1] and len(kept[0]) == 8


def test_another_salt_keeps_others() -> None:
    kept = []
    for salt in ("1 me", "2 me"):
        book = PeerBook(config(max_peers=8, salt=salt))
        for number in range(40):
            if book.has_room_for(PeerId(str(number))):
                book.add(PeerId(str(number)))
        kept.append(set(book.peers))
    assert kept[0] != kept[1]


def test_a_copy_of_an_older_model_is_tried_as_its_creators_and_costs_the_copier_an_attempt() -> None:
    book = crowd("bob")
    hear(book, model("bob", 2))
    copy = model("eve", 1, digest="digest of bob-1")
    hear(book, copy)
    assert sorted(wanted(book), key=str) == [model("bob", 1), model("bob", 2)]
    book.begin_attempt(model("bob", 1))
    assert book.credit(model("bob", 1)) == [copy]
    assert [book.peers[name].attempts for name in (BOB, PeerId("eve"))] == [0, 1]
    assert wanted(book) == [model("bob", 2)] and book.is_settled(copy)


def test_a_peer_from_which_fetches_fail_has_no_precedence() -> None:
    book = crowd("eve")
    honest = model("bob", 1, digest="digest of eve-1")
    hear(book, honest)
    assert wanted(book) == [model("eve")]
    book.peers[PeerId("eve")].delivery.fail(1.0, 0.0)
    assert set(wanted(book)) == {model("eve"), honest}


def full(count: int, *useful: str) -> PeerBook:
    """``useful`` come first; then strangers come until the book has seen ``count`` of them."""
    book = PeerBook(config(max_peers=8))
    for name in map(PeerId, useful):
        book.add(name)
        if name.startswith("claimed"):
            book.claim_verified(name)
        book.model_scored(name, adopted=name.startswith("adopted"))
    for name in (PeerId(f"stranger {number}") for number in range(count)):
        if book.has_room_for(name):
            book.add(name)
    return book


def test_strangers_do_not_displace_peers_that_proved_useful() -> None:
    useful = {"adopted 1", "adopted 2", "adopted 3", "adopted 4", "claimed 1", "claimed 2"}
    assert useful < full(500, *sorted(useful)).peers.keys()
    assert not {"scored 1", "scored 2"} & full(500, "scored 1", "scored 2").peers.keys()


def test_a_quarter_of_the_book_stays_open_and_only_a_quarter_is_kept_for_claims() -> None:
    kept = full(500, *(f"claimed {number}" for number in range(8))).peers
    assert list(kept)[:2] == ["claimed 0", "claimed 1"] and sum(name.startswith("claimed") for name in kept) < 8
    kept = full(500, *(f"adopted {number}" for number in range(8))).peers
    assert [f"adopted {number}" for number in range(6)] == list(kept)[:6]
    assert sum(name.startswith("adopted") for name in kept) < 8


def test_peers_with_more_adopted_models_stay_before_those_with_fewer() -> None:
    book = full(0, *(f"adopted {number}" for number in range(8)))
    for number in (6, 7):
        book.model_scored(PeerId(f"adopted {number}"), adopted=True)
    for name in (PeerId(f"stranger {number}") for number in range(500)):
        if book.has_room_for(name):
            book.add(name)
    assert {"adopted 6", "adopted 7", *(f"adopted {number}" for number in range(4))} < book.peers.keys()


def test_what_a_peer_that_is_not_known_did_is_not_noted() -> None:
    book = crowd("bob")
    book.claim_verified(PeerId("ann"))
    book.model_scored(PeerId("ann"), adopted=True)
    assert list(book.peers) == ["bob"]


def test_who_is_known_is_admitted_and_no_newcomer() -> None:
    book = crowd("bob", max_peers=1)
    assert book.has_room_for(BOB)
    assert not all(book.has_room_for(PeerId(str(number))) for number in range(20))


def test_the_claims_of_a_peer_are_limited() -> None:
    book = crowd("ann", "bob", max_announcements=2)
    book.peers[BOB].claims_received += 2
    assert book.screen_claim(BOB) is Reason.RATE_LIMIT
    assert book.screen_claim(PeerId("ann")) is None
    assert book.screen_claim(PeerId("cat")) is None
