"""The fee pool as a member sees it: deposit, one report, withdrawal, and what is declined."""

from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import facts, head, receipt, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import SHARES, Deposit, PoolRead, PoolState, ReadPool, Report, SignPoolCall, Withdrawal
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.fee_pool import MAX_WITHDRAWALS, shares
from learnae.protocol.settings import Defence, IdentityRule
from learnae.protocol.types import Address, Cid, PeerId, Timer, Wei, wei

FEE = wei(Decimal("0.01"))
ALL = ("me", "bob", "ann")
WINDOW = 100


class Member(Driven):
    """``chain``: the receipts of its transactions."""

    def __init__(self, **settings: Any) -> None:
        self.chain = [receipt(0, block=1, contract="0xmine")]
        super().__init__(**settings)


def registered(**settings: Any) -> Member:
    """A peer whose contract is deployed, and which has trained, and met bob and ann."""
    driven = Member(kind=Defence.PROFILES, window=WINDOW, patience=1, expected_identities=0, **settings)
    driven.registered().loaded()
    driven.meets("bob").meets("ann")
    for step in (1, 2):
        driven.scored(do.TrainSlice, f"me-{step}", score(50 + step))
    return driven


def member(**settings: Any) -> Member:
    driven = registered(**settings)
    return mined(driven, 1)


def mined(driven: Member, nonce: int, block: int = 2, succeeded: bool = True) -> Member:
    """Sign, send and mine the call that is due, to the end."""
    driven.signs()
    driven.sent()
    driven.chain.append(receipt(nonce, block=block, succeeded=succeeded))
    driven.looks(block + 5, *driven.chain)
    return driven


def reads(driven: Member, *members: str, timestamp: int = 1000, deadline: int = 1100, complete: bool = False) -> Member:
    """Let the poll timer fire; the pool has these members."""
    if not driven.all_asked(ReadPool):
        driven.fires(Timer.CHAIN)
    state = PoolState(deadline, complete, tuple(Address(f"0x{name}") for name in members or ALL))
    driven.tell(PoolRead(driven.now, driven.asked(ReadPool).request, head(timestamp - 1000), state))
    return driven


def owing(driven: Member) -> Member:
    """Adopt a model of bob's."""
    driven.attempted("bob", 60)
    return driven


def later(driven: Member) -> Member:
    driven.after(5.0)
    return driven


def idles(driven: Member) -> Member:
    """Find no more work, and be done."""
    if driven.waits(Timer.WORK) is not None:
        driven.fires(Timer.WORK)
    return driven


def reported(driven: Member) -> Member:
    """Rest, and report."""
    reads(idles(driven))
    reads(later(driven))
    return mined(driven, 2, block=8)


def calls(driven: Member) -> list[object]:
    return [request.call for request in driven.all_asked(SignPoolCall)]


def reasons(driven: Member) -> list[tuple[DebtState, str | None]]:
    return [(debt.state, debt.reason) for debt in driven.debts.values()]


def test_the_deposit_follows_the_deployment_and_names_the_contract() -> None:
    assert calls(registered()) == [Deposit(Address("0xmine"), FEE)]
    assert not registered().all_asked(ReadPool)


@pytest.mark.parametrize("state", [(0, False, ()), (1100, False, ("0xann",)), (900, True, ("0xann",))])
def test_until_the_pool_has_it_as_a_member_a_peer_neither_reports_nor_withdraws(state: tuple[Any, ...]) -> None:
    driven = owing(registered())
    driven.signs()
    driven.sent()
    idles(driven).after(5.0).fires(Timer.CHAIN)
    driven.tell(PoolRead(driven.now, driven.asked(ReadPool).request, head(0), PoolState(*state)))
    driven.tell(on.TimerFired(driven.now, Timer.CHAIN))
    assert calls(driven) == [] and (state[1] or driven.debts[0].state is DebtState.PAYABLE)


def test_a_peer_without_profiles_has_nothing_to_do_with_the_pool() -> None:
    driven = Member(expected_identities=0)
    driven.registered()
    assert calls(driven) == [] and not driven.all_asked(ReadPool)


def test_nobody_is_paid_for_a_single_model_and_the_report_names_what_is_owed() -> None:
    driven = owing(member())
    assert driven.debts[0].state is DebtState.PAYABLE and not driven.all_asked(do.SignPayment)
    reads(idles(driven))
    assert calls(driven) == [] and not driven.peer.quiet, "it may still be woken"
    reads(later(driven))
    owed = driven.debts[0].wei
    assert calls(driven) == [Report(((Address("0xbob"), SHARES * owed // max(FEE, owed)),))]
    assert driven.asked(SignPoolCall).debts == (0,)
    mined(driven, 2, block=8)
    assert reasons(driven) == [(DebtState.FINAL, None)]


def test_who_is_woken_waits_again_before_it_reports() -> None:
    driven = reads(idles(member()))
    driven.after(4.0).attempted("bob", 60)
    reads(idles(driven))
    assert calls(driven) == []
    reads(later(driven))
    assert [type(call) for call in calls(driven)] == [Report]


def test_it_reports_in_any_case_when_three_quarters_of_the_time_are_over() -> None:
    driven = member(slices_planned=50, slices=50)
    reads(driven, timestamp=1075)
    assert calls(driven) == []
    reads(driven, timestamp=1076)
    assert calls(driven) == [Report(())]


def test_what_is_owed_to_who_made_no_deposit_is_declined() -> None:
    driven = owing(member())
    reads(idles(driven), "me", "ann")
    driven.after(5.0).fires(Timer.CHAIN)
    assert calls(driven) == [Report(())]
    assert reasons(driven) == [(DebtState.DECLINED, "the creator made no deposit")]


def test_what_is_adopted_after_the_report_is_declined() -> None:
    driven = reported(reads(member()))
    driven.attempted("bob", 60)
    assert reasons(driven) == [(DebtState.DECLINED, "after the report")]


def test_the_income_is_withdrawn_once_the_pool_is_closed_and_then_the_peer_is_quiet() -> None:
    driven = reported(reads(member()))
    reads(driven)
    assert calls(driven) == [] and not driven.peer.quiet
    reads(driven, complete=True)
    assert calls(driven) == [Withdrawal()] and not driven.peer.quiet
    mined(driven, 3, block=20)
    assert driven.peer.quiet
    driven.fires(Timer.CHAIN)
    assert driven.waits(Timer.CHAIN) is None


def test_a_pool_that_closed_before_the_report_is_withdrawn_from_without_one() -> None:
    driven = owing(member())
    reads(driven, timestamp=1100)
    assert calls(driven) == [Withdrawal()]
    driven.tell(on.TimerFired(driven.now, Timer.WORK))
    assert reasons(driven) == [(DebtState.DECLINED, "after the report")]


def test_a_withdrawal_that_failed_is_tried_again_and_not_for_ever() -> None:
    driven = reported(reads(member()))
    for number in range(MAX_WITHDRAWALS + 1):
        reads(driven, complete=True)
        assert calls(driven) == [Withdrawal()]
        mined(driven, 3 + number, block=20 + 10 * number, succeeded=False)
    assert driven.peer.quiet and calls(driven) == []


@pytest.mark.parametrize("reason", [Reason.FUNDS, Reason.GAS_CAP])
def test_who_cannot_pay_for_a_call_gives_up(reason: Reason) -> None:
    driven = owing(registered())
    driven.fails(SignPoolCall, reason)
    assert reasons(driven) == [(DebtState.DECLINED, str(reason))]
    assert idles(driven).peer.quiet and calls(driven) == []


@pytest.mark.parametrize("reason", [Reason.FUNDS, Reason.GAS_CAP])
def test_who_cannot_pay_for_its_report_withdraws_its_income_all_the_same(reason: Reason) -> None:
    driven = owing(member())
    reads(idles(driven))
    reads(later(driven))
    driven.fails(SignPoolCall, reason)
    assert reasons(driven) == [(DebtState.DECLINED, str(reason))]
    reads(driven)
    assert calls(driven) == [] and not driven.peer.quiet
    reads(driven, timestamp=1100)
    assert calls(driven) == [Withdrawal()]


def test_a_report_that_names_a_payee_whose_claim_lost_meanwhile_is_not_sent() -> None:
    driven = owing(member(identity=IdentityRule.PAPER))
    reads(idles(driven))
    reads(later(driven))
    assert driven.asked(SignPoolCall).debts == (0,)
    driven.meets("bob", "0xeve", facts("bob", "0xeve", timestamp=1), sender="eve")
    driven.signs()
    assert not driven.all_asked(do.SendTransaction) and driven.debts[0].payee == "0xeve"


def test_a_signer_that_does_not_answer_is_asked_again() -> None:
    driven = registered()
    driven.fails(SignPoolCall, Reason.TIMEOUT)
    driven.fires(Timer.CHAIN)
    assert [type(call) for call in calls(driven)] == [Deposit]


def test_after_a_deposit_that_failed_debts_are_declined() -> None:
    driven = owing(registered())
    mined(driven, 1, succeeded=False)
    assert reasons(driven) == [(DebtState.DECLINED, "no deposit")]
    assert idles(driven).peer.quiet


def test_a_call_that_is_not_mined_is_signed_again_with_the_same_nonce() -> None:
    driven = registered()
    driven.signs()
    driven.sent()
    driven.after(11.0).looks(5)
    assert [(request.nonce, request.attempt) for request in driven.all_asked(SignPoolCall)] == [(1, 1)]
    driven.signs(version=1)
    assert calls(driven) == []


def test_a_call_that_is_signed_when_the_session_is_over_is_not_sent() -> None:
    driven = registered()
    driven.tell(on.SessionClosed(driven.now))
    driven.signs()
    assert not driven.all_asked(do.SendTransaction)


def test_on_another_chain_it_deposits_again() -> None:
    driven = reads(member())
    driven.fires(Timer.CHAIN)
    request = driven.asked(ReadPool)
    driven.tell(PoolRead(driven.now, request.request, head(1, "other"), PoolState(0, False, ())))
    assert calls(driven) == [] and driven.all_asked(do.SignDeployment)


def test_a_member_whose_contract_a_rollback_took_is_still_a_member() -> None:
    driven = reads(member())
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.looks(3)
    assert driven.peer.status().claim is None and not driven.peer.quiet


def debt(payee: str, amount: int) -> DebtChanged:
    state = DebtState.PAYABLE
    return DebtChanged(0, PeerId("bob"), Cid("bob-1"), score(1), score(2), Wei(amount), state, Address(payee))


def test_shares_are_of_the_fee_or_of_all_that_is_owed() -> None:
    two = [debt("0xb", 10), debt("0xa", 20), debt("0xb", 5)]
    assert shares(two, Wei(100)) == (("0xa", SHARES // 5), ("0xb", SHARES * 15 // 100))
    assert shares(two, Wei(20)) == (("0xa", SHARES * 20 // 35), ("0xb", SHARES * 15 // 35))
    assert shares([debt("0xa", 1)], Wei(10**6)) == shares([], Wei(1)) == ()
