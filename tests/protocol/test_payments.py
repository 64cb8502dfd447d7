"""Payments: each debt settled at most once, whatever the chain does (section 3.1)."""

from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import claim, facts, head, identified, receipt, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import ChainEntered, DebtChanged, DebtState, RolledBack
from learnae.protocol.policies import Policy
from learnae.protocol.settings import IdentityRule
from learnae.protocol.transactions import MAX_VERSIONS
from learnae.protocol.types import ETHER, Timer

OWED, PAYABLE, SIGNED, SENT = DebtState.OWED, DebtState.PAYABLE, DebtState.SIGNED, DebtState.SENT
MINED, FINAL, REFUSED, DECLINED = DebtState.MINED, DebtState.FINAL, DebtState.REFUSED, DebtState.DECLINED


def owing(*creators: str, known: bool = True, **settings: Any) -> Driven:
    """A peer that trains nothing, wants no payment, and has adopted a model of each."""
    driven = Driven(**{"wants_payment": False, "slices_planned": 0, "expected_identities": 0, **settings}).loaded()
    for number, creator in enumerate(creators):
        if known:
            driven.meets(creator)
        driven.attempted(creator, 51 + number)
    return driven


def paying(**settings: Any) -> Driven:
    driven = owing("bob", **settings)
    driven.signs()
    driven.sent()
    return driven


def story(driven: Driven, debt: int = 0) -> list[DebtState]:
    return [changed.state for changed in driven.facts(DebtChanged) if changed.debt == debt]


def sending(driven: Driven) -> list[str]:
    return [each.signed.hash for each in driven.all_asked(do.SendTransaction)]


def test_an_adoption_is_paid_to_its_creator_until_the_payment_is_final() -> None:
    driven = paying()
    driven.looks(5, receipt(0, block=5))
    driven.looks(6, receipt(0, block=5))
    assert story(driven) == [OWED, PAYABLE, SIGNED, SENT, MINED, FINAL]
    assert driven.debts[0].payee == "0xbob" and driven.debts[0].wei == ETHER // 1000
    assert driven.waits(Timer.CHAIN) is not None
    driven.fires(Timer.CHAIN)
    assert driven.waits(Timer.CHAIN) is None, "nothing is looked for any more"


def test_a_payment_waits_for_the_creators_claim() -> None:
    driven = owing("bob", known=False)
    assert story(driven) == [OWED] and not driven.all_asked(do.SignPayment)
    driven.meets("bob")
    assert driven.asked(do.SignPayment).to == "0xbob"


def test_one_payment_is_signed_at_a_time_in_the_order_of_the_debts() -> None:
    driven = owing("bob", "ann")
    assert [(each.debts, each.nonce) for each in driven.all_asked(do.SignPayment)] == [((0,), 0)]
    driven.signs()
    assert [(each.debts, each.nonce) for each in driven.all_asked(do.SignPayment)] == [((1,), 1)]


def test_a_deployment_comes_before_the_payments_and_does_not_hold_them_up() -> None:
    driven = owing("bob", wants_payment=True)
    assert not driven.all_asked(do.SignPayment)
    driven.signs()
    assert driven.asked(do.SignPayment).nonce == 1


def test_who_refuses_to_pay_says_so() -> None:
    driven = owing("bob", policy=Policy.REFUSES_TO_PAY)
    assert story(driven) == [OWED, DECLINED] and driven.debts[0].reason == "policy"


def test_a_reward_of_nothing_is_no_payment() -> None:
    driven = owing("bob", factor=Decimal(0))
    assert story(driven) == [OWED, DECLINED] and driven.debts[0].reason == "nothing to pay"


def test_the_cap_is_never_exceeded() -> None:
    driven = owing("bob", "ann", cap=Decimal("0.001"))
    driven.signs()
    assert story(driven, 1) == [OWED, PAYABLE, DECLINED] and driven.debts[1].reason == "cap"


@pytest.mark.parametrize("reason", [Reason.FUNDS, Reason.GAS_CAP])
def test_a_payment_beyond_the_funds_or_the_gas_cap_is_declined_with_its_nonce_unspent(reason: Reason) -> None:
    driven = owing("bob", "ann")
    driven.fails(do.SignPayment, reason)
    assert story(driven) == [OWED, PAYABLE, DECLINED] and driven.debts[0].reason == reason
    assert (driven.asked(do.SignPayment).debts, driven.asked(do.SignPayment).nonce) == ((1,), 0)


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.UNREACHABLE, Reason.INVALID_RESPONSE])
def test_a_payment_that_could_not_be_signed_is_asked_for_again_with_the_next_poll(reason: Reason) -> None:
    driven = owing("bob")
    driven.fails(do.SignPayment, reason)
    assert not driven.all_asked(do.SignPayment)
    driven.fires(Timer.CHAIN)
    assert driven.asked(do.SignPayment).nonce == 0


def test_a_payee_that_lost_its_claim_before_the_signature_is_not_paid_and_the_nonce_not_spent() -> None:
    driven = owing("bob", identity=IdentityRule.PAPER)
    driven.meets("bob", "0xeve", facts("bob", "0xeve", timestamp=1), sender="eve")
    driven.signs()
    assert not sending(driven)
    assert (driven.asked(do.SignPayment).to, driven.asked(do.SignPayment).nonce) == ("0xeve", 0)
    assert story(driven) == [OWED, PAYABLE, PAYABLE]


def test_a_payee_that_is_nobodys_any_more_leaves_the_debt_owed() -> None:
    driven = owing("ann", "bob")
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.fires(Timer.CHAIN)
    driven.fails(do.ReadClaim, Reason.INVALID_RESPONSE)
    driven.fails(do.ReadClaim, Reason.INVALID_RESPONSE)
    driven.signs()
    assert story(driven) == story(driven, 1) == [OWED, PAYABLE, OWED]
    assert not driven.all_asked(do.SignPayment)


def test_what_was_signed_keeps_its_payee_whoever_wins_later() -> None:
    driven = owing("bob", identity=IdentityRule.PAPER)
    driven.signs()
    driven.meets("bob", "0xeve", facts("bob", "0xeve", timestamp=1), sender="eve")
    driven.looks(9, receipt(0, block=2))
    assert driven.debts[0].payee == "0xbob" and driven.debts[0].state is FINAL


def test_a_payment_that_was_not_sent_is_sent_again_with_the_next_look() -> None:
    driven = owing("bob")
    driven.signs()
    driven.fails(do.SendTransaction)
    assert not sending(driven)
    driven.looks(1)
    assert sending(driven) == ["0.0"]


def test_what_is_being_sent_is_not_sent_twice() -> None:
    driven = owing("bob")
    driven.signs()
    driven.looks(1)
    assert sending(driven) == ["0.0"]


def test_a_chain_that_does_not_answer_is_asked_again_with_the_next_poll() -> None:
    driven = paying()
    driven.fires(Timer.CHAIN)
    driven.fails(do.ReadReceipts)
    assert not driven.all_asked(do.ReadReceipts)
    driven.looks(5, receipt(0, block=2))
    assert driven.debts[0].state is FINAL


def test_while_one_look_is_under_way_no_other_begins() -> None:
    driven = paying()
    driven.fires(Timer.CHAIN)
    driven.fires(Timer.CHAIN)
    assert len(driven.all_asked(do.ReadReceipts)) == 1


def test_a_payment_not_mined_in_time_is_signed_again_with_its_own_nonce() -> None:
    driven = paying()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    request = driven.asked(do.SignPayment)
    assert (request.debts, request.nonce, request.attempt) == ((0,), 0, 1)
    driven.signs(version=1)
    assert sending(driven) == ["0.1"]
    assert driven.debts[0].tx == "0.1"


def test_an_outage_is_no_lateness() -> None:
    """The clock of a replacement runs from when the node took the transaction."""
    driven = owing("bob")
    driven.signs()
    driven.after(100.0)
    driven.sent()
    driven.looks(1)
    assert not driven.all_asked(do.SignPayment)


def test_the_answer_for_an_older_form_says_nothing_about_the_newest() -> None:
    driven = paying()
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    old = driven.asked(do.SendTransaction)
    driven.tell(on.RequestFailed(driven.now, old.request, Reason.INVALID_RESPONSE))
    driven.looks(1)
    old = driven.asked(do.SendTransaction)
    driven.signs(version=1)
    driven.tell(on.TransactionSent(driven.now, old.request))
    assert driven.debts[0].state is SIGNED


def test_a_node_that_does_not_want_a_transaction_is_offered_a_higher_fee_in_time() -> None:
    driven = owing("bob")
    driven.signs()
    driven.fails(do.SendTransaction, Reason.INVALID_RESPONSE)
    assert not driven.all_asked(do.SignPayment)
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    driven.fails(do.SendTransaction, Reason.INVALID_RESPONSE)
    assert driven.asked(do.SignPayment).attempt == 1


def test_a_replacement_that_cannot_be_signed_leaves_the_last_form_to_be_sent() -> None:
    driven = paying()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    driven.fails(do.SignPayment, Reason.FUNDS)
    assert sending(driven) == ["0.0"] and driven.debts[0].state is SENT


def test_a_replacement_waits_for_another_signature_under_way() -> None:
    driven = owing("bob", "ann")
    driven.signs()
    driven.sent()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    assert [(each.debts, each.attempt) for each in driven.all_asked(do.SignPayment)] == [((1,), 0)]


def test_a_deployment_is_replaced_like_a_payment() -> None:
    driven = Driven()
    driven.signs()
    driven.sent()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    assert (driven.asked(do.SignDeployment).nonce, driven.asked(do.SignDeployment).attempt) == (0, 1)


def test_after_so_many_forms_the_last_is_sent_on_and_on() -> None:
    driven = paying()
    for version in range(1, MAX_VERSIONS):
        driven.after(driven.config.chain.resend_after)
        driven.looks(1)
        driven.signs(version)
        driven.sent()
    for _ in range(2):
        driven.after(driven.config.chain.resend_after)
        driven.looks(1)
        assert not driven.all_asked(do.SignPayment)
        assert sending(driven) == [f"0.{MAX_VERSIONS - 1}"]
        driven.sent()


def test_a_form_that_was_signed_while_another_was_mined_is_kept_and_not_sent() -> None:
    driven = paying()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    driven.looks(9, receipt(0, block=2))
    driven.signs(version=1)
    assert not sending(driven) and driven.debts[0].state is FINAL
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.looks(1)
    assert sending(driven) == ["0.1"]


def test_a_payee_that_reverts_has_refused() -> None:
    driven = paying()
    driven.looks(9, receipt(0, block=2, succeeded=False))
    assert driven.debts[0].state is REFUSED


def test_a_rolled_back_payment_is_sent_again_with_the_same_nonce_and_never_signed_again() -> None:
    driven = paying()
    driven.looks(9, receipt(0, block=2))
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    assert driven.facts(RolledBack) == [RolledBack(1, 2)]
    driven.looks(1)
    assert sending(driven) == ["0.0"] and not driven.all_asked(do.SignPayment)
    driven.sent()
    driven.looks(3, receipt(0, block=2))
    assert story(driven) == [OWED, PAYABLE, SIGNED, SENT, FINAL, SIGNED, SENT, FINAL]


def test_a_payment_that_survived_the_rollback_stays_final() -> None:
    driven = paying()
    driven.looks(9, receipt(0, block=2))
    driven.tell(on.ChainRolledBack(driven.now, head(5)))
    driven.looks(9, receipt(0, block=2))
    assert story(driven)[-1] is FINAL and not sending(driven)


def test_an_answer_from_before_a_rollback_is_not_believed() -> None:
    """It may have been given by the blocks that are gone."""
    driven = paying()
    driven.fires(Timer.CHAIN)
    request = driven.asked(do.ReadReceipts).request
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    assert driven.tell(on.ReceiptsRead(driven.now, request, head(9), (receipt(0, block=2),))) == []
    driven.looks(1)
    assert sending(driven) == ["0.0"]


def test_no_session_ends_while_payments_are_in_doubt() -> None:
    driven = paying()
    driven.looks(9, receipt(0, block=2))
    assert driven.peer.status().settled
    driven.tell(on.ChainRolledBack(driven.now, head(5)))
    assert not driven.peer.status().settled


def test_no_session_ends_while_a_creditors_claim_is_read() -> None:
    driven = owing("bob", known=False)
    assert driven.peer.status().settled, "nobody knows whether bob will ever claim it"
    event = driven.screens("bob", identified(claim("bob")))
    assert isinstance(event, on.ClaimReceived)
    driven.tell(event)
    assert not driven.peer.status().settled


def test_on_another_chain_what_may_have_been_paid_is_given_up_and_the_rest_owed_again() -> None:
    driven = owing("bob", "ann", "cat")
    driven.signs()
    driven.looks(9)
    driven.tell(on.ChainRolledBack(driven.now, head(0, "another")))
    assert story(driven) == [OWED, PAYABLE, SIGNED, DECLINED]
    assert driven.debts[0].reason == "chain replaced"
    assert story(driven, 1) == [OWED, PAYABLE, OWED]
    driven.meets("ann")
    assert driven.asked(do.SignPayment).nonce == 0


def test_another_chain_is_noticed_by_its_receipts_too() -> None:
    driven = paying()
    driven.looks(9)
    driven.looks(1, receipt(0, block=1), genesis="another")
    assert driven.debts[0].state is DECLINED


def test_a_signature_for_another_chain_is_not_sent_and_begins_anew_there() -> None:
    driven = owing("bob", "ann")
    driven.signs()
    driven.looks(9)
    driven.signs(genesis="another")
    assert [driven.debts[debt].state for debt in range(2)] == [DECLINED, OWED]
    assert sending(driven) == []
    assert driven.facts(ChainEntered) == [ChainEntered("genesis"), ChainEntered("another")]
    driven.meets("ann")
    assert driven.asked(do.SignPayment).nonce == 0


def test_what_is_final_on_one_chain_is_not_paid_on_the_next() -> None:
    driven = paying()
    driven.looks(9, receipt(0, block=2))
    driven.tell(on.ChainRolledBack(driven.now, head(0, "another")))
    driven.meets("bob")
    assert driven.debts[0].state is FINAL and not driven.all_asked(do.SignPayment)


def test_answers_from_another_chain_are_ignored() -> None:
    driven = owing("bob")
    driven.signs()
    driven.looks(9)
    request = driven.asked(do.SendTransaction).request
    driven.tell(on.ChainRolledBack(driven.now, head(0, "another")))
    assert driven.tell(on.TransactionSent(driven.now, request)) == []


def test_when_the_session_is_over_open_debts_end_and_signed_ones_are_seen_through() -> None:
    driven = owing("bob", "ann")
    driven.attempted("cat", 60)
    driven.signs()
    driven.tell(on.SessionClosed(driven.now))
    assert [driven.debts[debt].state for debt in range(3)] == [SIGNED, DECLINED, DebtState.UNCLAIMED]
    assert driven.debts[1].reason == "session over"
    driven.signs(version=9)
    assert sending(driven) == ["0.0"], "a signature that comes too late is not sent"
    driven.looks(9, receipt(0, block=2))
    assert driven.debts[0].state is FINAL


def test_an_adoption_after_the_session_is_over_is_declined() -> None:
    driven = owing()
    driven.hears("bob")
    driven.fetched()
    driven.tell(on.SessionClosed(driven.now))
    driven.scored(do.AverageModels, "me-1", score(60))
    assert driven.debts[0].state is DECLINED
