"""A journal is all the state there is."""

import pytest
from tests.helpers.peers import announced, config, model, score, weights

from learnae.errors import ReplayMismatch
from learnae.protocol import events as on
from learnae.protocol.replay import digest, new_peer, replay
from learnae.protocol.types import Timer

CONFIG = config(wants_payment=False, expected_identities=0)
EVENTS: list[on.Event] = [
    on.Started(0.0),
    on.ModelFetched(0.1, 1),
    on.ModelScored(0.2, 2, weights("initial"), score(50)),
    on.ModelReceived(0.3, announced(model("bob"))),
    on.ModelReceived(0.4, announced(model("cat"))),
    on.ModelScored(1.0, 3, weights("me-1"), score(60)),
    on.TimerFired(10.0, Timer.ANNOUNCE),
]


def written(events: list[on.Event]) -> list[tuple[on.Event, str]]:
    peer = new_peer(CONFIG)
    return [(event, digest(peer.handle(event))) for event in events]


@pytest.mark.parametrize("length", range(len(EVENTS) + 1))
def test_a_peer_that_comes_back_goes_on_as_if_it_had_never_gone(length: int) -> None:
    stayed, back = new_peer(CONFIG), replay(CONFIG, written(EVENTS[:length]))
    for event in EVENTS[:length]:
        stayed.handle(event)
    assert back.outstanding() == stayed.outstanding()
    assert [back.handle(event) for event in EVENTS[length:]] == [stayed.handle(event) for event in EVENTS[length:]]


def test_a_journal_of_another_core_is_refused_by_the_number_of_its_entry() -> None:
    journal = written(EVENTS)
    journal[3] = (journal[3][0], "0" * 16)
    with pytest.raises(ReplayMismatch, match=r"entry 4 \(ModelReceived\)"):
        replay(CONFIG, journal)


def test_the_dice_of_a_peer_come_from_its_salt_alone() -> None:
    first, again, other = (peer._training.fetches._rng for peer in map(new_peer, (CONFIG, CONFIG, config(salt="2 me"))))
    number = first.random()
    assert number == again.random() != other.random()


def test_different_actions_have_different_digests() -> None:
    assert len({digest(new_peer(config(announce_every=every)).handle(on.Started(0.0))) for every in (1.0, 2.0)}) == 2
