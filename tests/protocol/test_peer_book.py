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
    neighbours = PeerBook(config(**settings))
    for name in names:
        hear(neighbours, model(name, step))
    return neighbours


def hear(neighbours: PeerBook, heard: ModelRef) -> Reason | None:
    neighbours.meet(heard.creator)
    return neighbours.hear(announced(heard))


def pick(neighbours: PeerBook, now: float = 0.0, seed: int = 1) -> str | None:
    picked = neighbours.pick(random.Random(seed), now)
    return picked.creator if picked else None


def test_creators_are_tried_uniformly_whatever_they_announced_and_whenever_they_came() -> None:
    neighbours, reverse = crowd("ann", "bob", "cat"), crowd("cat", "bob", "ann")
    hear(neighbours, model("ann", 2))
    hear(reverse, model("ann", 2))
    picked = [pick(neighbours, seed=seed) for seed in range(3000)]
    assert picked == [pick(reverse, seed=seed) for seed in range(3000)]
    assert all(900 < count < 1100 for count in Counter(picked).values())


def test_only_the_newest_model_of_a_creator_is_tried_and_only_once() -> None:
    neighbours = crowd("bob")
    hear(neighbours, model("bob", 2))
    picked = neighbours.pick(random.Random(1), 0.0)
    assert picked == model("bob", 2)
    assert neighbours.begin(picked) == ("/bob",)
    assert pick(neighbours) is None
    hear(neighbours, model("bob", 3))
    assert neighbours.pick(random.Random(1), 0.0) == model("bob", 3)


def test_a_creator_has_a_budget_of_attempts() -> None:
    neighbours = crowd("bob", max_attempts_per_creator=2)
    for step in (1, 2, 3):
        hear(neighbours, model("bob", step))
        if step < 3:
            neighbours.begin(model("bob", step))
    assert pick(neighbours) is None
    assert neighbours.retry_at() is None
    assert neighbours.screen(model("bob", 4)) is Reason.RATE_LIMIT


def test_a_creator_has_a_number_of_announcements() -> None:
    neighbours = crowd("bob", max_announcements=2)
    assert neighbours.screen(model("bob", 2)) is None
    hear(neighbours, model("bob", 2))
    assert neighbours.screen(model("bob", 3)) is Reason.RATE_LIMIT


def test_old_announcements_are_dropped_by_name() -> None:
    neighbours = crowd("bob", step=5)
    assert neighbours.screen(model("bob", 5)) is Reason.REPEAT
    assert neighbours.screen(model("bob", 5, digest="another")) is Reason.STALE
    assert neighbours.screen(model("bob", 4)) is Reason.STALE
    assert neighbours.screen(model("ann", 1)) is None


def test_old_tensors_under_a_new_number_are_nothing_new() -> None:
    neighbours = crowd("bob")
    hear(neighbours, model("bob", 2))
    assert neighbours.screen(model("bob", 3, digest="digest of bob-1")) is Reason.REPEAT


def test_equal_tensors_under_another_name_are_a_copy_and_never_tried() -> None:
    neighbours = crowd("bob")
    assert hear(neighbours, model("eve", 1, digest="digest of bob-1")) is Reason.COPY
    assert [pick(neighbours, seed=seed) for seed in range(20)] == ["bob"] * 20


def test_a_model_that_cannot_be_fetched_is_tried_later_and_later_and_then_given_up() -> None:
    neighbours, now, waits = crowd("bob", max_attempts_per_creator=100), 0.0, []
    for _ in range(FETCH_TRIES - 1):
        neighbours.begin(model("bob"))
        neighbours.not_fetched(model("bob"), now)
        assert pick(neighbours, now) is None
        retry = neighbours.retry_at()
        assert retry is not None
        waits.append(retry - now)
        now = retry
        assert pick(neighbours, now) == "bob"
    assert waits == [RETRY_AFTER * 2**failures for failures in range(FETCH_TRIES - 1)]
    neighbours.not_fetched(model("bob"), now)
    assert neighbours.retry_at() is None and pick(neighbours, 1e9) is None
    hear(neighbours, model("bob", 2))
    assert pick(neighbours, now) == "bob"


def test_a_failed_fetch_of_an_older_model_does_not_delay_the_newer_one() -> None:
    neighbours = crowd("bob")
    neighbours.begin(model("bob"))
    hear(neighbours, model("bob", 2))
    neighbours.not_fetched(model("bob"), 0.0)
    assert pick(neighbours) == "bob"


def test_a_creator_that_made_room_meanwhile_is_not_tried_again() -> None:
    neighbours = crowd("bob", max_peers=1)
    neighbours.begin(model("bob"))
    stranger = next(name for name in map(PeerId, map(str, range(100))) if neighbours.admits(name))
    assert neighbours.meet(stranger) == (True, BOB)
    neighbours.not_fetched(model("bob"), 0.0)
    assert list(neighbours.known) == [stranger]


def test_the_reservoir_keeps_the_same_peers_in_whatever_order_they_come() -> None:
    names = [PeerId(f"peer {number}") for number in range(40)]
    kept = []
    for order in (names, names[::-1]):
        neighbours = PeerBook(config(max_peers=8))
        for name in order:
            if neighbours.admits(name):
                neighbours.meet(name)
        kept.append(set(neighbours.known))
    assert kept[0] == kept[1] and len(kept[0]) == 8


def test_another_seed_keeps_others() -> None:
    kept = []
    for seed in ("1 me", "2 me"):
        neighbours = PeerBook(config(max_peers=8, seed=seed))
        for number in range(40):
            if neighbours.admits(PeerId(str(number))):
                neighbours.meet(PeerId(str(number)))
        kept.append(set(neighbours.known))
    assert kept[0] != kept[1]


def test_who_is_known_is_admitted_and_no_newcomer() -> None:
    neighbours = crowd("bob", max_peers=1)
    assert neighbours.admits(BOB)
    assert neighbours.meet(BOB) == (False, None)


def test_those_who_claimed_an_identity_are_counted_and_limited() -> None:
    neighbours = crowd("ann", "bob", max_announcements=2)
    assert neighbours.identified() == 0
    neighbours.known[BOB].claims += 2
    assert neighbours.identified() == 1
    assert neighbours.screen_claim(BOB) is Reason.RATE_LIMIT
    assert neighbours.screen_claim(PeerId("ann")) is None
    assert neighbours.screen_claim(PeerId("cat")) is None
