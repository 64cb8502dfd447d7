"""Batched payments: debts to one payee add up and are paid at once, under the same rules as single payments."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from tests.helpers.driven import Driven
from tests.helpers.peers import facts, head, receipt, score
from tests.protocol.test_payments import DECLINED, FINAL, OWED, PAYABLE, SIGNED, owing, sending, story

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.settings import IdentityRule, PaymentSettings, Settle
from learnae.protocol.settlement import MAX_BATCH, due_payments
from learnae.protocol.types import ETHER, Address, Cid, PeerId, Timer, Wei

DEBT = DebtChanged(0, PeerId("bob"), Cid("bob-1"), score(50), score(60), Wei(1), PAYABLE, Address("0xbob"))


def owing_batched(*correct: int, creators: str = "", threshold: str = "0.02", **settings: Any) -> Driven:
    """A peer that waits for further models and has adopted models of bob's, or of these creators, in this order."""
    driven = owing(settle=Settle.BATCHED, threshold=Decimal(threshold), **settings)
    names = creators.split() or ["bob"] * len(correct)
    for creator in dict.fromkeys(names):
        driven.meets(creator)
    for number, (creator, reached) in enumerate(zip(names, correct, strict=True)):
        driven.attempted(creator, reached, number + 1)
    return driven


def test_debts_to_one_payee_add_up_to_the_threshold_and_are_paid_at_once() -> None:
    driven = owing_batched(60, 69)
    assert story(driven) == story(driven, 1) == [OWED, PAYABLE] and not driven.all_asked(do.SignPayment)
    driven.attempted("bob", 71, 3)
    request = driven.asked(do.SignPayment)
    assert (request.debts, request.to, request.nonce) == ((0, 1, 2), "0xbob", 0)
    assert (request.wei, request.cids) == (21 * ETHER // 1000, ("bob-1", "bob-2", "bob-3"))
    driven.signs()
    driven.looks(9, receipt(0, block=2))
    assert all(story(driven, debt)[-2:] == [SIGNED, FINAL] for debt in range(3))
    assert {debt.tx for debt in driven.debts.values()} == {"0.0"}


def test_each_payee_has_its_own_batch() -> None:
    driven = owing_batched(60, 69, 71, creators="bob ann bob", threshold="0.012")
    assert driven.asked(do.SignPayment).debts == (0, 2)


def test_what_is_below_the_threshold_is_paid_once_the_work_is_finished() -> None:
    driven = owing_batched(60, 61)
    assert not driven.all_asked(do.SignPayment) and not driven.peer.quiet
    driven.fires(Timer.WORK)
    assert driven.asked(do.SignPayment).debts == (0, 1)


def test_a_full_batch_is_paid_below_the_threshold() -> None:
    payable = [replace(DEBT, debt=number) for number in range(MAX_BATCH + 1)]
    settings = PaymentSettings(Settle.BATCHED, Decimal(1))
    assert not list(due_payments(payable[: MAX_BATCH - 1], settings, finished=False))
    [batch] = due_payments(payable, settings, finished=False)
    assert [debt.debt for debt in batch] == list(range(MAX_BATCH))


def test_a_batch_beyond_the_funds_loses_its_last_debt_and_is_signed_again() -> None:
    driven = owing_batched(60, 71)
    driven.fails(do.SignPayment, Reason.FUNDS)
    assert story(driven, 1)[-1] is DECLINED and story(driven)[-1] is PAYABLE
    assert not driven.all_asked(do.SignPayment), "the rest is below the threshold"
    driven.attempted("bob", 90, 3)
    assert driven.asked(do.SignPayment).debts == (0, 2)


def test_a_batch_pays_what_the_cap_allows() -> None:
    driven = owing_batched(60, 75, 80, cap=Decimal("0.016"), threshold="0.015")
    assert driven.asked(do.SignPayment).debts == (0, 2)
    assert driven.debts[1].state is DECLINED and driven.debts[1].reason == "cap"


def test_a_batch_whose_payee_lost_its_claim_is_not_sent() -> None:
    driven = owing_batched(60, 71, identity=IdentityRule.PAPER)
    driven.meets("bob", "0xeve", facts("bob", "0xeve", timestamp=1), sender="eve")
    driven.signs()
    assert not sending(driven)
    assert driven.asked(do.SignPayment).to == "0xeve" and driven.asked(do.SignPayment).debts == (0, 1)


def test_a_late_batch_is_replaced_as_a_whole() -> None:
    driven = owing_batched(60, 71)
    driven.signs()
    driven.sent()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    request = driven.asked(do.SignPayment)
    assert (request.debts, request.nonce, request.attempt) == ((0, 1), 0, 1)


def test_a_rollback_takes_the_whole_batch_back() -> None:
    driven = owing_batched(60, 71)
    driven.signs()
    driven.sent()
    driven.looks(9, receipt(0, block=2))
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.looks(1)
    assert sending(driven) == ["0.0"] and not driven.all_asked(do.SignPayment)
    assert story(driven)[-2:] == story(driven, 1)[-2:] == [FINAL, SIGNED]
