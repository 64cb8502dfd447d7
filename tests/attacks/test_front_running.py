"""Attack: somebody announces the digest of a model before the peer that made it, so that the honest one looks a copier.

Averages can be computed by anybody who has both parents, and a digest can be repeated as soon as it is heard.
"""

from typing import Any

from tests.helpers.driven import Driven
from tests.helpers.peers import score
from tests.helpers.session_properties import exact_copies_earn_nothing, honest_peers_are_not_called_copiers
from tests.helpers.swarms import run, small

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.creators import UNPROVEN
from learnae.protocol.decisions import AttemptFailed, Averaged, DebtChanged, WorkChanged, WorkState
from learnae.protocol.types import Timer

D = "digest of the average"


def victim(**settings: Any) -> Driven:
    return Driven(slices_planned=0, expected_identities=0, wants_payment=False, max_peers=100, **settings).loaded()


def fetching(driven: Driven) -> list[str]:
    return [request.cid for request in driven.all_asked(do.FetchModel)]


def arrives(driven: Driven, cid: str) -> None:
    (request,) = (each for each in driven.all_asked(do.FetchModel) if each.cid == cid)
    driven.tell(on.ModelFetched(driven.now, request.request))


def fails(driven: Driven, cid: str, reason: Reason = Reason.TIMEOUT) -> None:
    (request,) = (each for each in driven.all_asked(do.FetchModel) if each.cid == cid)
    driven.tell(on.RequestFailed(driven.now, request.request, reason))


def averaged(driven: Driven, correct: int) -> None:
    driven.scored(do.AverageModels, f"me-{driven.peer.status().step + 1}", score(correct))


def tried(driven: Driven) -> list[str]:
    return [fact.remote_cid for fact in driven.facts(Averaged)]


def called_copiers(driven: Driven) -> list[str]:
    return [fact.creator for fact in driven.facts(AttemptFailed) if fact.reason is Reason.COPY]


def creditors(driven: Driven) -> list[str]:
    return [debt.creator for debt in driven.facts(DebtChanged)]


def test_an_announcement_without_a_block_neither_makes_a_copier_nor_takes_the_reward() -> None:
    driven = victim()
    driven.hears("eve", digest=D)
    driven.hears("bob", digest=D)
    assert not called_copiers(driven)
    fails(driven, "eve-1")
    arrives(driven, "bob-1")
    averaged(driven, 60)
    assert tried(driven) == ["bob-1"] and creditors(driven) == ["bob"]
    assert called_copiers(driven) == ["eve"]


def test_an_announcement_of_tensors_that_the_block_does_not_have_is_no_claim() -> None:
    driven = victim()
    driven.hears("eve", digest=D)
    driven.hears("bob", digest=D)
    arrives(driven, "eve-1")
    driven.fails(do.AverageModels, Reason.DIGEST)
    arrives(driven, "bob-1")
    averaged(driven, 60)
    assert creditors(driven) == ["bob"] and called_copiers(driven) == ["eve"]


def test_any_number_of_new_identities_delay_an_honest_model_by_seconds() -> None:
    """Their fetches hang, beside the work, and each announced the digest before Bob."""
    driven = victim()
    for number in range(50):
        driven.hears(f"eve {number}", digest=D)
    driven.hears("bob", digest=D)
    assert fetching(driven) == ["eve 0-1"]
    driven.after(UNPROVEN).fires(Timer.ANNOUNCE)
    while "bob-1" not in fetching(driven):
        fails(driven, fetching(driven)[0])
        assert len(driven.facts(AttemptFailed)) == 0 and driven.now < 3 * UNPROVEN
    arrives(driven, "bob-1")
    averaged(driven, 60)
    assert creditors(driven) == ["bob"]


def test_a_claim_that_was_overtaken_by_a_newer_model_is_verified_or_void() -> None:
    """Eve repeats Bob's digest and announces something newer at once; nobody can fetch either."""
    driven = victim()
    driven.hears("eve", digest=D)
    driven.hears("eve", 2)
    driven.hears("bob", digest=D)
    fails(driven, "eve-1")
    arrives(driven, "bob-1")
    averaged(driven, 60)
    assert creditors(driven) == ["bob"] and called_copiers(driven) == []


def test_a_copy_of_an_older_model_is_credited_to_its_creator() -> None:
    """Bob has a newer model when Eve copies the one before, which was never fetched."""
    driven = victim(patience=100)
    driven.attempted("bob", 0)
    for name in ("ann", "cat", "dan"):  # as many as are fetched at a time
        driven.attempted(name, 0).hears(name, 2)
    driven.hears("bob", 2, digest=D)
    driven.hears("bob", 3)
    driven.hears("eve", digest=D)
    while requests := fetching(driven):
        arrives(driven, requests[0])
        averaged(driven, 60 if driven.asked(do.AverageModels).remote.weights.digest == D else 0)
    assert {"bob-2", "bob-3"} < set(tried(driven)) and "eve-1" not in tried(driven)
    assert creditors(driven) == ["bob"] and called_copiers(driven) == ["eve"]


def test_a_peers_own_tensors_are_known_to_it_at_once() -> None:
    driven = Driven(expected_identities=0, wants_payment=False).loaded()
    driven.hears("eve", digest="digest of me-1")
    arrives(driven, "eve-1")
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert called_copiers(driven) == ["eve"]
    assert not driven.peer.status().fetched


def test_whoever_computed_and_served_an_average_first_is_its_creator() -> None:
    """What remains: Eve had both parents, was faster, and serves the block.  It is as useful as Bob's."""
    driven = victim()
    driven.hears("eve", digest=D)
    driven.hears("bob", digest=D)
    arrives(driven, "eve-1")
    averaged(driven, 60)
    assert creditors(driven) == ["eve"] and called_copiers(driven) == ["bob"]


def test_a_false_claim_does_not_put_a_peer_to_sleep() -> None:
    """A DONE peer wakes for an honest model although somebody claimed its tensors before."""
    driven = victim(patience=1)
    driven.attempted("ann", 0)
    assert driven.facts(WorkChanged)[-1].work is WorkState.DONE
    driven.hears("eve", digest=D)
    driven.hears("bob", digest=D)
    fails(driven, "eve-1")
    arrives(driven, "bob-1")
    assert driven.facts(WorkChanged)[-1].work is WorkState.MERGING


def test_a_swarm_pays_nothing_for_exact_copies_and_calls_no_honest_peer_a_copier() -> None:
    session = run(small({"count": 6}, {"count": 2, "policy": "copycat"}, peers=8))
    assert [fact for _, fact in session.history.facts(AttemptFailed) if fact.reason is Reason.COPY]
    assert exact_copies_earn_nothing(session) and honest_peers_are_not_called_copiers(session)
