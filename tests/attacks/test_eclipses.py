"""Attack: somebody who knows everything public makes keys until they push the honest peers out of a victim's table."""

import hashlib
from itertools import islice

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import announced, config, model

from learnae.errors import Reason
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.types import PeerId

VICTIMS, KEYS, HONEST, ROOM = 20, 1000, 10, 40
GROUND_FROM = 10  # keys of which the attacker takes the best


def victim(number: int, salt: str = "") -> PeerBook:
    """The table of a peer that knows honest peers whose models it has adopted."""
    book = PeerBook(config(peer=f"p{number:02}", salt=salt or f"secret {number}", max_peers=ROOM))
    for name in honest():
        book.add(name)
        book.receive(announced(model(name)), 0.0, news=False)
        book.model_scored(name, adopted=True)
    return book


def honest() -> list[PeerId]:
    return [PeerId(f"honest {number}") for number in range(HONEST)]


def ground_keys(number: int) -> list[PeerId]:
    """The keys with the smallest ranks, if a rank were made of what is public."""
    made = (f"key {number}.{count}" for count in range(KEYS * GROUND_FROM))
    ranked = sorted(made, key=lambda key: hashlib.sha256(f"1 p{number:02} {key}".encode()).hexdigest())
    return [PeerId(key) for key in ranked[:KEYS]]


def attack(book: PeerBook, keys: list[PeerId]) -> None:
    for key in keys:
        if book.has_room_for(key):
            book.add(key)
            book.receive(announced(model(key)), 0.0, news=False)


@pytest.mark.parametrize("number", range(VICTIMS))
def test_a_thousand_ground_keys_displace_no_useful_peer(number: int) -> None:
    book = victim(number)
    attack(book, ground_keys(number))
    assert len(book.peers) == ROOM
    assert set(honest()) <= book.peers.keys()


def test_what_is_public_does_not_tell_which_strangers_stay() -> None:
    """Ground keys are kept as seldom as any others: their share is that of the free places."""
    kept = 0
    for number in range(VICTIMS):
        book = PeerBook(config(peer=f"p{number:02}", salt=f"secret {number}", max_peers=ROOM))
        for name in (f"stranger {count}" for count in range(KEYS)):
            if book.has_room_for(PeerId(name)):
                book.add(PeerId(name))
        attack(book, ground_keys(number))
        kept += sum(name.startswith("stranger") for name in book.peers)
    assert 0.4 < kept / (VICTIMS * ROOM) < 0.6


def test_the_attack_works_where_the_salt_is_public_and_nothing_is_protected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeerBook, "_protected", lambda self: set())
    left = 0
    for number in range(VICTIMS):
        book = victim(number, salt=f"1 p{number:02}")
        attack(book, ground_keys(number))
        left += len(set(honest()) & book.peers.keys())
    assert left <= VICTIMS * HONEST / 50


def test_identities_that_bought_protection_leave_room_for_strangers() -> None:
    """200 identities each sell one good model; peers that sold more stay, and a quarter of the book stays open."""
    book = victim(1)
    for name in honest():
        book.model_scored(name, adopted=True)
    for key in ground_keys(1)[:200]:
        if book.has_room_for(key):
            book.add(key)
            book.model_scored(key, adopted=True)
    assert set(honest()) <= book.peers.keys()
    late = [PeerId(f"late {number}") for number in range(100)]
    attack(book, late)
    assert set(late) & book.peers.keys()


def test_scored_models_without_an_adoption_protect_a_quarter_of_the_book() -> None:
    book = PeerBook(config(max_peers=ROOM))
    for count in range(ROOM):
        name = PeerId(f"claimant {count}")
        book.add(name)
        book.claim_verified(name)
        book.model_scored(name, adopted=False)
    first = list(islice(book.peers, ROOM // 4))
    attack(book, ground_keys(1))
    assert set(first) <= book.peers.keys()
    assert sum(name.startswith("claimant") for name in book.peers) < ROOM


def test_neither_a_claim_nor_a_scored_model_alone_protects() -> None:
    book = PeerBook(config(max_peers=ROOM))
    for count in range(ROOM):
        name = PeerId(f"{'claims' if count % 2 else 'scored'} {count}")
        book.add(name)
        if count % 2:
            book.claim_verified(name)
        else:
            book.model_scored(name, adopted=False)
    attack(book, ground_keys(1))
    assert sum(name.startswith("key") for name in book.peers) > ROOM * 3 // 4


def test_a_peer_protects_those_whose_models_it_adopted_and_those_that_it_can_pay() -> None:
    """The whole way: Bob's average is adopted; Cat's claim is verified, and her average scored."""
    driven = Driven(slices_planned=0, expected_identities=0, max_peers=8, wants_payment=False).loaded()
    driven.meets("cat").attempted("bob", 60).attempted("cat", 0)
    for key in ground_keys(1):
        event = driven.screens(key, announced(model(key)))
        if not isinstance(event, Reason):
            driven.tell(event)
    assert {"bob", "cat"} < driven.peer._peer_book.peers.keys()
    assert driven.peer.status().peers_known == 8
