"""Sealed models: for whom a peer seals its own, and what it does about those of others that it cannot read."""

from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import announced, claim, facts, head, identified, model, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.creators import REMEMBERED
from learnae.protocol.decisions import AttemptFailed, FetchFailed, ModelLocked
from learnae.protocol.defence_types import Sealing
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.settings import Access, Defence
from learnae.protocol.types import Cid, PeerId, Timer

ME, BOB, ANN = PeerId("me"), PeerId("bob"), PeerId("ann")


def sealing_peer(**settings: Any) -> Driven:
    quiet = {"wants_payment": False, "expected_identities": 0, "kind": Defence.RECIPROCITY, "access": Access.SEALED}
    return Driven(**{**quiet, "patience": 9, "idle_after": 500.0, **settings}).loaded()


def sealed(creator: str, step: int = 1, *readers: str) -> ModelAnnouncement:
    keys = tuple((PeerId(reader), f"key for {reader}") for reader in readers)
    said = announced(model(creator, step))
    return replace(said, sealing=Sealing(Cid(f"sealed {creator}-{step}"), f"public key of {creator}", keys))


def hears(driven: Driven, announcement: ModelAnnouncement) -> None:
    event = driven.screens(announcement.model.creator, announcement)
    assert not isinstance(event, Reason), event
    driven.tell(event)


def claims(driven: Driven, peer: str, key: str, sender: str = "", contract: str = "") -> None:
    """A peer claims an identity with this key, and the chain confirms it."""
    said = replace(claim(peer, contract=contract or f"contract of {peer} {key}"), sealing_key=key)
    event = driven.screens(sender or peer, identified(said))
    assert not isinstance(event, Reason), event
    driven.tell(event)
    driven.read(facts(peer))


def last_announcement(driven: Driven) -> do.Announce:
    found = [each for each in driven.actions if isinstance(each, do.Announce)]
    return next(each for each in reversed(found) if isinstance(each.announcement, ModelAnnouncement))


def readers(driven: Driven) -> list[str]:
    return [peer for peer, _ in last_announcement(driven).recipients or ()]


def trained(driven: Driven) -> Driven:
    driven.scored(do.TrainSlice, "me-1", score(60))
    return driven


def test_a_model_is_encrypted_before_it_is_stored() -> None:
    driven = sealing_peer(stores=False)
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert driven.asked(do.StoreModel).sealed


def test_it_is_sealed_for_those_whose_claims_hold() -> None:
    driven = sealing_peer()
    claims(driven, "bob", "key 1")
    driven.meets("cat")  # its claim names no key
    hears(driven, sealed("dan"))  # it has no claim
    assert last_announcement(trained(driven)).recipients == ((BOB, "key 1"),)


def test_a_peer_whose_claim_is_read_later_gets_the_key_at_once() -> None:
    driven = trained(sealing_peer())
    assert readers(driven) == []
    claims(driven, "bob", "key 1")
    assert readers(driven) == ["bob"]


def test_a_claim_that_changes_no_reader_announces_nothing() -> None:
    driven = trained(sealing_peer())
    driven.meets("cat")
    assert not [each for each in driven.actions if isinstance(each, do.Announce)]


def test_a_peer_may_change_its_key_and_nobody_else_can() -> None:
    driven = trained(sealing_peer())
    claims(driven, "bob", "key 1")
    claims(driven, "bob", "key 2")
    assert last_announcement(driven).recipients == ((BOB, "key 2"),)
    claims(driven, "bob", "key 1", sender="eve", contract="contract of bob, again")
    driven.fires(Timer.ANNOUNCE)
    assert last_announcement(driven).recipients == ((BOB, "key 2"),)


def test_a_refused_claim_gives_no_key() -> None:
    driven = trained(sealing_peer())
    claims(driven, "bob", "key 1")
    forged = replace(claim("bob", contract="another contract of bob"), sealing_key="key of eve")
    event = driven.screens("bob", identified(forged))
    assert not isinstance(event, Reason)
    driven.tell(event)
    driven.read(replace(facts("bob"), signature_valid=False))
    driven.fires(Timer.ANNOUNCE)
    assert last_announcement(driven).recipients == ((BOB, "key 1"),)


def test_who_is_denied_income_gets_no_key_until_it_is_in_good_standing_again() -> None:
    driven = trained(sealing_peer())
    claims(driven, "bob", "key 1")
    claims(driven, "ann", "key 2")
    driven.peer._peer_book.denied.add(BOB)
    driven.fires(Timer.ANNOUNCE)
    assert readers(driven) == ["ann"]
    driven.peer._peer_book.denied.remove(BOB)
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    assert readers(driven) == ["ann", "bob"]


def test_keys_outlive_the_chain_on_which_they_were_claimed() -> None:
    driven = trained(sealing_peer())
    claims(driven, "bob", "key 1")
    driven.tell(on.ChainRolledBack(driven.now, head(1, "another chain")))
    driven.fires(Timer.ANNOUNCE)
    assert readers(driven) == ["bob"]


def test_a_model_that_is_not_sealed_for_a_peer_is_neither_fetched_nor_held_against_its_creator() -> None:
    driven = sealing_peer()
    hears(driven, sealed("bob", 1, "ann"))
    assert driven.facts(ModelLocked) == [ModelLocked(BOB, model("bob").weights.cid)]
    assert not driven.all_asked(do.FetchModel)
    assert not driven.facts(FetchFailed) and not driven.facts(AttemptFailed)
    assert driven.screens("bob", sealed("bob", 1, "ann", "dan")) is Reason.REPEAT


def test_a_later_announcement_unlocks_it_once() -> None:
    driven = sealing_peer(slices_planned=0)
    hears(driven, sealed("bob", 1))
    hears(driven, sealed("bob", 1, "me"))
    request = driven.asked(do.FetchModel)
    assert (request.cid, request.stored_cid) == (model("bob").weights.cid, "sealed bob-1")
    assert request.key and request.key.wrapped == "key for me"
    assert driven.screens("bob", sealed("bob", 1, "me", "dan")) is Reason.REPEAT
    driven.fetched()
    driven.scored(do.AverageModels, "me-1", score(70))
    assert driven.peer.status().step == 1


def test_a_peer_whose_only_models_are_locked_is_at_rest() -> None:
    driven = sealing_peer(slices_planned=0)
    hears(driven, sealed("bob", 1))
    report = driven.peer.rest()
    assert report and report.locked == {"bob me"} and report.received == {"bob 1"}


def test_a_session_does_not_end_while_a_key_is_on_its_way() -> None:
    """bob has sealed its newest model for me, and I have not received that announcement."""
    driven = sealing_peer(slices_planned=0)
    hears(driven, sealed("bob", 1))
    mine = driven.peer.rest()
    assert mine
    bobs = replace(mine, announced=frozenset({"bob 1"}), locked=frozenset(), sealed_for=frozenset({"bob me"}))
    assert not mine.has_received(bobs)
    assert mine.has_received(replace(bobs, sealed_for=frozenset({"bob ann"})))


def test_a_report_names_those_for_whom_a_model_is_sealed() -> None:
    driven = sealing_peer(slices_planned=1)
    claims(driven, "bob", "key 1")
    trained(driven)
    report = driven.peer.rest()
    assert report and report.sealed_for == {"me bob"}


def test_a_copy_that_can_be_read_is_tried_if_its_original_cannot() -> None:
    driven = sealing_peer()
    hears(driven, sealed("bob", 1))
    copied = replace(sealed("eve", 1, "me"), model=model("eve", 1, "digest of bob-1"))
    hears(driven, copied)
    assert driven.asked(do.FetchModel).model == copied.model


def test_the_keys_of_one_creator_are_limited() -> None:
    driven = sealing_peer(max_announcements=99)
    for step in range(1, REMEMBERED + 3):
        hears(driven, sealed("bob", step, "me"))
    keys = driven.peer._peer_book.peers[BOB].keys
    assert len(keys) == REMEMBERED and list(keys)[-1] == f"bob-{REMEMBERED + 2}"


@pytest.mark.parametrize("access", Access)
def test_what_is_not_sealed_as_the_session_demands_is_dropped(access: Access) -> None:
    driven = sealing_peer(access=access)
    open_model = announced(model("bob"))
    wrong, right = (open_model, sealed("bob")) if access is Access.SEALED else (sealed("bob"), open_model)
    assert driven.screens("bob", wrong) is Reason.SEAL
    assert isinstance(driven.screens("bob", right), on.ModelReceived)


def test_in_an_open_session_announcements_have_no_recipients() -> None:
    driven = sealing_peer(access=Access.OPEN)
    claims(driven, "bob", "key 1")
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert last_announcement(driven).recipients is None
