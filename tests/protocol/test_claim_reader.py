"""The claims of others: read one at a time, again when the chain went back, and never without bound."""

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import claim, facts, head, identified

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.directory import CLAIMS_PER_SENDER, READ_TRIES
from learnae.protocol.policies import Role
from learnae.protocol.types import Claim, PeerId, Timer

BOB = PeerId("bob")


def hear(driven: Driven, claimed: Claim, sender: str = "bob") -> None:
    event = driven.screens(sender, identified(claimed))
    assert isinstance(event, on.ClaimReceived), event
    driven.tell(event)


def not_found(driven: Driven, times: int) -> None:
    for _ in range(times):
        if not driven.all_asked(do.ReadClaim):
            driven.fires(Timer.CHAIN)
        driven.fails(do.ReadClaim, Reason.NOT_FOUND)


def peer() -> Driven:
    return Driven(wants_payment=False, role=Role.PROFITEER)


def test_a_claim_is_read_and_judged_once() -> None:
    driven = peer().meets("bob")
    assert [judged.verdict for judged in driven.facts(ClaimJudged)] == [Verdict.WINNER]
    assert driven.screens("bob", identified(claim("bob"))) is Reason.REPEAT


def test_while_one_claim_of_a_sender_is_read_no_other_is_taken() -> None:
    driven = peer()
    hear(driven, claim("bob"))
    assert driven.screens("bob", identified(claim("bob"))) is Reason.REPEAT
    assert driven.screens("bob", identified(claim("bob", contract="another"))) is Reason.RATE_LIMIT
    assert isinstance(driven.screens("ann", identified(claim("bob"))), on.ClaimReceived)


def test_a_sender_has_a_number_of_contracts() -> None:
    driven = peer()
    for number in range(CLAIMS_PER_SENDER):
        hear(driven, claim("bob", contract=f"contract {number}"))
        driven.read(facts("bob", timestamp=number))
    assert driven.screens("bob", identified(claim("bob", contract="one more"))) is Reason.RATE_LIMIT
    proven_anew = claim("bob", contract="contract 0", signature="another proof")
    assert isinstance(driven.screens("bob", identified(proven_anew)), on.ClaimReceived)


def test_a_sender_has_a_number_of_claims() -> None:
    driven = Driven(wants_payment=False, role=Role.PROFITEER, max_announcements=3)
    for number in range(3):
        hear(driven, claim("bob", contract="contract", signature=str(number)))
        driven.read(facts("bob"))
    assert driven.screens("bob", identified(claim("bob", contract="contract", signature="3"))) is Reason.RATE_LIMIT


def test_a_contract_that_is_not_there_is_looked_for_again_before_it_is_refused() -> None:
    driven = peer()
    hear(driven, claim("bob"))
    not_found(driven, READ_TRIES - 1)
    assert not driven.facts(ClaimJudged)
    not_found(driven, 1)
    (judged,) = driven.facts(ClaimJudged)
    assert (judged.verdict, judged.reason) == (Verdict.REJECTED, Reason.NOT_FOUND)


def test_a_refused_claim_gets_one_more_look_whenever_it_is_announced() -> None:
    """A lost block's deployment may have been mined anew."""
    driven = peer()
    hear(driven, claim("bob"))
    not_found(driven, READ_TRIES)
    hear(driven, claim("bob"))
    not_found(driven, 1)
    assert not driven.all_asked(do.ReadClaim) and driven.waits(Timer.CHAIN) is None
    hear(driven, claim("bob"))
    driven.read(facts("bob"))
    assert driven.peer.status().payee(BOB) == "0xbob"


def test_a_chain_that_does_not_answer_costs_a_claim_nothing() -> None:
    driven = peer()
    hear(driven, claim("bob"))
    for reason in (Reason.TIMEOUT, Reason.UNREACHABLE) * READ_TRIES:
        driven.fails(do.ReadClaim, reason)
        assert driven.screens("bob", identified(claim("bob"))) is Reason.REPEAT
        driven.fires(Timer.CHAIN)
    driven.read(facts("bob"))
    assert driven.peer.status().payee(BOB) == "0xbob"


def test_nonsense_is_refused_at_once() -> None:
    driven = peer()
    hear(driven, claim("bob"))
    driven.fails(do.ReadClaim, Reason.INVALID_RESPONSE)
    assert [judged.reason for judged in driven.facts(ClaimJudged)] == [Reason.INVALID_RESPONSE]


def test_after_a_rollback_every_claim_is_read_again_and_older_answers_are_ignored() -> None:
    driven = peer().meets("bob")
    hear(driven, claim("ann"), "ann")
    hear(driven, claim("cat"), "cat")
    driven.fails(do.ReadClaim, Reason.TIMEOUT)  # ann's is to be read again anyhow
    before = driven.asked(do.ReadClaim)
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    assert driven.tell(on.ClaimRead(driven.now, before.request, facts("cat"))) == []
    driven.fires(Timer.CHAIN)
    assert [(each.sender, each.tries) for each in driven.all_asked(do.ReadClaim)] == [
        ("bob", 0),
        ("ann", 0),
        ("cat", 0),
    ]


def test_a_claim_may_be_judged_otherwise_after_a_rollback() -> None:
    driven = peer().meets("bob")
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.fires(Timer.CHAIN)
    not_found(driven, READ_TRIES)
    assert driven.peer.status().payee(BOB) is None
    assert driven.facts(ClaimJudged)[-1].verdict is Verdict.REJECTED


@pytest.mark.parametrize("asked", [True, False], ids=["being read", "to be read again"])
def test_a_peer_that_has_to_make_room_takes_its_claims_along(asked: bool) -> None:
    driven = Driven(wants_payment=False, role=Role.PROFITEER, max_peers=2)
    known = driven.peer._peer_book
    names = sorted((PeerId(f"peer {number}") for number in range(20)), key=known._rank, reverse=True)
    for name in names[:2]:
        hear(driven, claim(name), name)
    if not asked:
        for _ in range(2):
            driven.fails(do.ReadClaim)
    hear(driven, claim(names[2]), names[2])
    reading = driven.peer._payments.claims.being_read()
    assert {sender for sender, _ in reading} == {names[1], names[2]}


def test_another_chain_has_other_contracts() -> None:
    driven = peer().meets("bob")
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.tell(on.ChainRolledBack(driven.now, head(0, "another")))
    assert driven.peer.status().payee(BOB) is None
    assert not driven.peer._payments.claims.has_unread
    assert isinstance(driven.screens("bob", identified(claim("bob"))), on.ClaimReceived)
