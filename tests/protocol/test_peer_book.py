"""Who is known, what they have, and whom to try next."""

import random
from collections import Counter

from tests.helpers.peers import announced, config, model

from learnae.errors import Reason
from learnae.protocol.peer_book import FETCH_TRIES, RETRY_AFTER, PeerBook
from learnae.protocol.types import ModelRef, PeerId

BOB = PeerId("bob")


def crowd(*names: str, step: int = 1, **settings: int) -> PeerBook:
    """Each was heard with a model."""
    book = PeerBook(config(**settings))
    for name in names:
        hear(book, model(name, step))
    return book


def hear(book: PeerBook, heard: ModelRef) -> Reason | None:
    book.add(heard.creator)
    return book.receive(announced(heard))


def pick(book: PeerBook, now: float = 0.0, seed: int = 1) -> str | None:
    picked = book.pick(random.Random(seed), now)
    return picked.creator if picked else None


def test_creators_are_tried_uniformly_whatever_they_announced_and_whenever_they_came() -> None:
    book, reverse = crowd("ann", "bob", "cat"), crowd("cat", "bob", "ann")
    hear(book, model("ann", 2))
    hear(reverse, model("ann", 2))
    picked = [pick(book, seed=seed) for seed in range(3000)]
    assert picked == [pick(reverse, seed=seed) for seed in range(3000)]
    assert all(900 < count < 1100 for count in Counter(picked).values())


def test_only_the_newest_model_of_a_creator_is_tried_and_only_once() -> None:
    book = crowd("bob")
    hear(book, model("bob", 2))
    picked = book.pick(random.Random(1), 0.0)
    assert picked == model("bob", 2)
    assert book.begin_attempt(picked) == ("/bob",)
    assert pick(book) is None
    hear(book, model("bob", 3))
    assert book.pick(random.Random(1), 0.0) == model("bob", 3)


def test_a_creator_has_a_budget_of_attempts() -> None:
    book = crowd("bob", max_attempts_per_creator=2)
    for step in (1, 2, 3):
        hear(book, model("bob", step))
        if step < 3:
            book.begin_attempt(model("bob", step))
    assert pick(book) is None
    assert book.retry_at() is None
    assert book.screen_model(model("bob", 4)) is Reason.RATE_LIMIT


def test_a_creator_has_a_number_of_announcements() -> None:
    book = crowd("bob", max_announcements=2)
    assert book.screen_model(model("bob", 2)) is None
    hear(book, model("bob", 2))
    assert book.screen_model(model("bob", 3)) is Reason.RATE_LIMIT


def test_old_announcements_are_dropped_by_name() -> None:
    book = crowd("bob", step=5)
    assert book.screen_model(model("bob", 5)) is Reason.REPEAT
    assert book.screen_model(model("bob", 5, digest="another")) is Reason.STALE
    assert book.screen_model(model("bob", 4)) is Reason.STALE
    assert book.screen_model(model("ann", 1)) is None


def test_old_tensors_under_a_new_number_are_nothing_new() -> None:
    book = crowd("bob")
    hear(book, model("bob", 2))
    assert book.screen_model(model("bob", 3, digest="digest of bob-1")) is Reason.REPEAT


def test_equal_tensors_under_another_name_are_a_copy_and_never_tried() -> None:
    book = crowd("bob")
    assert hear(book, model("eve", 1, digest="digest of bob-1")) is Reason.COPY
    assert [pick(book, seed=seed) for seed in range(20)] == ["bob"] * 20


def test_a_model_that_cannot_be_fetched_is_tried_later_and_later_and_then_given_up() -> None:
    book, now, waits = crowd("bob", max_attempts_per_creator=100), 0.0, []
    for _ in range(FETCH_TRIES - 1):
        book.begin_attempt(model("bob"))
        book.fetch_failed(model("bob"), now)
        assert pick(book, now) is None
        retry = book.retry_at()
        assert retry is not None
        waits.append(retry - now)
        now = retry
        assert pick(book, now) == "bob"
    assert waits == [RETRY_AFTER * 2**failures for failures in range(FETCH_TRIES - 1)]
    book.fetch_failed(model("bob"), now)
    assert book.retry_at() is None and pick(book, 1e9) is None
    hear(book, model("bob", 2))
    assert pick(book, now) == "bob"


def test_a_failed_fetch_of_an_older_model_does_not_delay_the_newer_one() -> None:
    book = crowd("bob")
    book.begin_attempt(model("bob"))
    hear(book, model("bob", 2))
    book.fetch_failed(model("bob"), 0.0)
    assert pick(book) == "bob"


def test_a_creator_that_made_room_meanwhile_is_not_tried_again() -> None:
    book = crowd("bob", max_peers=1)
    book.begin_attempt(model("bob"))
    stranger = next(name for name in map(PeerId, map(str, range(100))) if book.has_room_for(name))
    assert book.add(stranger) == (True, BOB)
    book.fetch_failed(model("bob"), 0.0)
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
    assert book.add(BOB) == (False, None)


def test_those_who_claimed_an_identity_are_counted_and_limited() -> None:
    book = crowd("ann", "bob", max_announcements=2)
    assert book.identified == 0
    book.peers[BOB].claims_received += 2
    assert book.identified == 1
    assert book.screen_claim(BOB) is Reason.RATE_LIMIT
    assert book.screen_claim(PeerId("ann")) is None
    assert book.screen_claim(PeerId("cat")) is None
