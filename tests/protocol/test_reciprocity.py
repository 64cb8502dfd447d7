"""Reciprocity: who adopts and does not pay is denied income, after a grace, as far as the chain shows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import announced, facts, head, model, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import ModelPayment, PaymentReport, PaymentsRead, ReadPayments
from learnae.protocol.decisions import Published, StandingChanged
from learnae.protocol.policies import Policy
from learnae.protocol.reciprocity import Reciprocity
from learnae.protocol.settings import Defence, Scope
from learnae.protocol.types import Address, Cid, Parents, PeerId, Timer, Wei

BOB = PeerId("bob")


def adoptions(driven: Driven) -> dict[tuple[PeerId, Cid], float]:
    """What the peer knows to be adopted and unpaid."""
    return reciprocity(driven)._adopted


def reciprocity(driven: Driven) -> Reciprocity:
    (rule,) = (rule for rule in driven.peer._rules if isinstance(rule, Reciprocity))
    return rule


TRADE: dict[str, Any] = {
    "wants_payment": False,
    "expected_identities": 0,
    "kind": Defence.RECIPROCITY,
    "grace": 10.0,
    "patience": 9,
    "idle_after": 500.0,
}


def met_nobody(**settings: Any) -> Driven:
    """A peer that has no work left but averaging, and has published me-1 and me-2."""
    driven = Driven(**TRADE | settings).loaded()
    for step in (1, 2):
        driven.scored(do.TrainSlice, f"me-{step}", score(50 + step))
    return driven


def trading(**settings: Any) -> Driven:
    """A peer that knows bob's and ann's wallets, and has published me-1 and me-2."""
    return met_nobody(**settings).meets("bob").meets("ann")


def adopts(driven: Driven, adopter: str, cid: str, step: int = 1) -> Driven:
    """Receive an average of the adopter's with this model, which is tried and not better."""
    average = replace(
        model(adopter, step), parents=Parents((Cid(f"{adopter}-0"), Cid(cid)), (PeerId(adopter), PeerId("me")))
    )
    event = driven.screens(adopter, announced(average))
    assert not isinstance(event, Reason)
    driven.tell(event)
    if driven.all_asked(do.FetchModel):
        driven.fetched()
        driven.scored(do.AverageModels, f"worse-{step}", score(1))
    return driven


def overdue(driven: Driven) -> Driven:
    """Let the grace pass, and something happen."""
    driven.after(10.0).tell(on.TimerFired(driven.now, Timer.WORK))
    return driven


def reads(
    driven: Driven, *payments: tuple[str, str], until: int = 7, genesis: str = "genesis", height: int | None = None
) -> Driven:
    """The chain has payments by these peers for these models, in the blocks up to this one of so many."""
    request = driven.asked(ReadPayments)
    paid = tuple(
        ModelPayment(Address(f"0x{payer}"), request.wallets[0], (Cid(cid),), Wei(1)) for payer, cid in payments
    )
    driven.tell(PaymentsRead(driven.now, request.request, PaymentReport(genesis, until, height or until, paid)))
    return driven


def standing(driven: Driven) -> list[tuple[str, bool, tuple[str, ...]]]:
    return [(fact.creator, fact.denied, fact.unpaid) for fact in driven.facts(StandingChanged)]


def fetched_for(driven: Driven, creator: str, step: int) -> bool:
    """Whether a new model of the creator is fetched."""
    driven.hears(creator, step)
    return any(request.model and request.model.creator == creator for request in driven.all_asked(do.FetchModel))


def test_an_average_is_announced_with_its_parents_and_a_trained_model_without() -> None:
    driven = trading().attempted("bob", 90)
    named = Parents((Cid("me-2"), Cid("bob-1")), (PeerId("me"), PeerId("bob")))
    assert [fact.parents for fact in driven.facts(Published)] == [None, None, named]


def test_who_conceals_averages_announces_none() -> None:
    driven = trading(policy=Policy.CONCEALS_AVERAGES).attempted("bob", 90)
    assert driven.facts(Published)[-1].parents is None
    assert driven.debts[0].reason == "policy"


def test_who_adopted_and_did_not_pay_within_the_grace_earns_nothing() -> None:
    driven = adopts(trading(), "bob", "me-1")
    assert not driven.all_asked(ReadPayments)
    reads(overdue(driven))
    assert standing(driven) == [("bob", True, ("me-1",))]
    assert not fetched_for(driven, "bob", 2) and fetched_for(driven, "ann", 2)


def test_nobody_is_judged_before_the_chain_was_read() -> None:
    driven = overdue(adopts(trading(), "bob", "me-1"))
    assert not standing(driven)
    assert driven.asked(ReadPayments) == ReadPayments(driven.asked(ReadPayments).request, 1, (Address("0xme"),))


def test_who_pays_stays_in_good_standing() -> None:
    driven = reads(overdue(adopts(trading(), "bob", "me-1")), ("bob", "me-1"))
    assert not standing(driven) and fetched_for(driven, "bob", 2)
    overdue(driven)
    assert not driven.all_asked(ReadPayments), "nothing is overdue"


COLD = Address("0xcold")


def pays_from_elsewhere(driven: Driven, to: Address) -> Driven:
    """bob's contract names another wallet than the one that has deployed it, which pays this one for me-1."""
    driven.meets("bob", COLD, facts("bob", COLD, deployer=Address("0xhot")), sender="bob")
    overdue(adopts(driven, "bob", "me-1"))
    request = driven.asked(ReadPayments)
    paid = ModelPayment(Address("0xhot"), to, (Cid("me-1"),), Wei(1))
    driven.tell(PaymentsRead(driven.now, request.request, PaymentReport("genesis", 7, 7, (paid,))))
    return driven


def test_a_peer_whose_income_goes_elsewhere_pays_with_the_wallet_that_deployed_its_contract() -> None:
    assert not standing(pays_from_elsewhere(met_nobody(), Address("0xme")))


def test_what_a_peer_pays_to_its_own_other_wallet_is_no_payment() -> None:
    driven = pays_from_elsewhere(met_nobody(scope=Scope.ALL), COLD)
    assert COLD in reciprocity(driven)._read
    assert standing(driven) == [("bob", True, ("me-1",))]


def test_a_peer_reads_what_is_paid_to_its_other_wallet() -> None:
    driven = overdue(adopts(met_nobody(payout=COLD).meets("bob"), "bob", "me-1"))
    assert driven.asked(ReadPayments).wallets == (COLD,)


def test_who_pays_late_is_in_good_standing_again_and_its_models_are_fetched() -> None:
    driven = reads(overdue(adopts(trading(), "bob", "me-1")))
    driven.hears("bob", 2)
    reads(overdue(driven), ("bob", "me-1"), until=9)
    assert standing(driven)[-1] == ("bob", False, ())
    assert [request.model for request in driven.all_asked(do.FetchModel)] == [model("bob", 2)]


def test_nobody_is_judged_before_the_chain_was_read_up_to_its_head() -> None:
    driven = overdue(adopts(trading(), "bob", "me-1"))
    for until in (50, 100):
        reads(driven, until=until, height=120)
        assert driven.asked(ReadPayments).since == until + 1, "it reads on at once"
    reads(driven, ("bob", "me-1"), until=120)
    assert not standing(driven) and not driven.all_asked(ReadPayments)


def test_who_pays_late_is_restored_even_if_the_payment_is_not_in_the_last_block_read() -> None:
    driven = overdue(reads(overdue(adopts(trading(), "bob", "me-1"))))
    reads(driven, ("bob", "me-1"), until=50, height=60)
    reads(driven, until=60)
    assert standing(driven)[-1] == ("bob", False, ())


def test_an_answer_from_before_a_rollback_is_ignored_and_all_blocks_are_read() -> None:
    driven = overdue(adopts(trading(), "bob", "me-1"))
    late = driven.asked(ReadPayments)
    driven.tell(on.ChainRolledBack(driven.now, head(3)))
    driven.tell(PaymentsRead(driven.now, late.request, PaymentReport("genesis", 7, 7, ())))
    assert not standing(driven)
    again = driven.asked(ReadPayments)
    assert (again.since, again.request > late.request) == (1, True)
    reads(driven, ("bob", "me-1"))
    assert not standing(driven)


def test_a_replaced_chain_forgives_all_and_is_read_from_the_first_block_on() -> None:
    driven = overdue(reads(overdue(adopts(trading(), "bob", "me-1")), until=7))
    reads(driven, until=9, genesis="another")
    assert standing(driven)[-1] == ("bob", False, ())
    overdue(adopts(driven, "ann", "me-2"))
    assert driven.asked(ReadPayments).since == 1


def test_what_is_paid_is_forgotten() -> None:
    driven = reads(overdue(adopts(trading(), "bob", "me-1")), ("bob", "me-1"))
    assert not adoptions(driven)


def test_a_peer_that_has_to_make_room_is_forgotten_and_no_longer_denied() -> None:
    driven = trading(max_peers=3)
    known = driven.peer._peer_book
    names = sorted((PeerId(f"peer {number}") for number in range(20)), key=known._rank, reverse=True)
    driven.meets(names[0])
    reads(overdue(adopts(driven, names[0], "me-1")))
    assert standing(driven) == [(names[0], True, ("me-1",))]
    adopts(driven, names[0], "me-2", step=2)
    driven.meets(names[1])
    assert names[0] not in known.peers
    assert standing(driven)[-1] == (names[0], False, ())
    assert not adoptions(driven) and not known.denied


def test_a_peer_in_good_standing_makes_room_without_a_word() -> None:
    driven = trading(max_peers=3)
    names = sorted((PeerId(f"peer {number}") for number in range(20)), key=driven.peer._peer_book._rank, reverse=True)
    driven.meets(names[0]).meets(names[1])
    assert names[0] not in driven.peer._peer_book.peers and not standing(driven)


def test_blocks_are_read_once_unless_the_chain_rolled_back() -> None:
    driven = reads(overdue(adopts(trading(), "bob", "me-1")), until=7)
    overdue(driven)
    assert driven.asked(ReadPayments).since == 8
    reads(driven)
    driven.tell(on.ChainRolledBack(driven.now, head(3)))
    overdue(driven)
    assert driven.asked(ReadPayments).since == 1


def test_a_fetched_model_of_a_denied_peer_is_not_averaged() -> None:
    driven = adopts(trading(), "bob", "me-1")
    driven.hears("ann", 2)
    driven.fetched()
    driven.hears("bob", 2)
    driven.fetched()
    assert driven.peer.status().fetched
    overdue(driven)
    reads(driven)
    driven.scored(do.AverageModels, "worse", score(1))
    assert not driven.all_asked(do.AverageModels)


def test_while_the_chain_does_not_answer_every_grace_begins_again() -> None:
    """The chain is read until it answers, so that the grace is as long as ever once it does."""
    driven = overdue(adopts(trading(), "bob", "me-1"))
    for _ in range(3):
        driven.fails(ReadPayments, Reason.UNREACHABLE)
        driven.after(9.0).tell(on.TimerFired(driven.now, Timer.WORK))
    reads(driven)
    assert not standing(driven)
    driven.after(0.5).tell(on.TimerFired(driven.now, Timer.WORK))
    assert not driven.all_asked(ReadPayments)
    reads(overdue(driven))
    assert standing(driven) == [("bob", True, ("me-1",))]


@pytest.mark.parametrize(("limit", "denied"), [(0, True), (1, True), (2, False)])
def test_some_unpaid_models_are_tolerated(limit: int, denied: bool) -> None:
    driven = adopts(adopts(trading(limit=limit), "bob", "me-1"), "bob", "me-2", step=2)
    reads(overdue(driven))
    assert bool(standing(driven)) is denied


def test_an_unpaid_model_is_forgotten_if_the_settings_forgive() -> None:
    driven = reads(overdue(adopts(trading(forgive=5.0), "bob", "me-1")))
    assert standing(driven) == [("bob", True, ("me-1",))]
    reads(overdue(driven))
    assert standing(driven)[-1] == ("bob", False, ())


def test_by_default_only_the_peers_own_models_count() -> None:
    driven = overdue(adopts(trading(), "bob", "ann-1"))
    assert not driven.all_asked(ReadPayments)


def test_models_of_everybody_may_count() -> None:
    driven = overdue(adopts(trading(scope=Scope.ALL), "bob", "ann-1"))
    assert driven.asked(ReadPayments).wallets == ("0xann", "0xbob", "0xme")
    reads(driven)
    assert standing(driven) == [("bob", True, ("ann-1",))]


def test_a_payment_to_itself_pays_for_nothing() -> None:
    driven = overdue(adopts(trading(scope=Scope.ALL), "bob", "ann-1"))
    request = driven.asked(ReadPayments)
    payment = ModelPayment(Address("0xbob"), Address("0xbob"), (Cid("ann-1"),), Wei(1))
    driven.tell(PaymentsRead(driven.now, request.request, PaymentReport("genesis", 7, 7, (payment,))))
    assert standing(driven) == [("bob", True, ("ann-1",))]


def test_wallets_that_become_known_are_read_from_the_first_block_on() -> None:
    driven = reads(overdue(adopts(trading(scope=Scope.ALL), "bob", "ann-1")))
    driven.meets("cat")
    overdue(driven)
    request = driven.asked(ReadPayments)
    assert "0xcat" in request.wallets and request.since == 1


def test_a_peer_whose_wallet_is_not_known_is_not_judged() -> None:
    driven = overdue(adopts(trading(), "dan", "me-1"))
    assert not driven.all_asked(ReadPayments)


def test_without_the_defence_nobody_is_judged() -> None:
    driven = trading(kind=Defence.NONE, scope=Scope.ALL)
    assert not overdue(adopts(driven, "bob", "me-1")).all_asked(ReadPayments)


@pytest.mark.parametrize("kind", [Defence.NONE, Defence.PROFILES])
def test_another_defence_denies_nobody(kind: Defence) -> None:
    driven = overdue(adopts(trading(kind=kind), "bob", "me-1"))
    assert not driven.all_asked(ReadPayments) and not standing(driven)
