"""Debts: one an adoption, each with an end."""

import pytest
from tests.helpers.peers import model, receipt, score, signed

from learnae.protocol.debts import STATES, Debts
from learnae.protocol.decisions import DebtState
from learnae.protocol.transactions import OutgoingTransaction, TxState
from learnae.protocol.types import Address, Wei

BOB = Address("0xbob")


def book(*amounts: int, cap: int = 100) -> Debts:
    debts = Debts(Wei(cap))
    for number, wei in enumerate(amounts):
        debts.owe(model("bob", number + 1), score(50), score(60), Wei(wei))
    return debts


def transaction(state: TxState, succeeded: bool | None = None, debt: int = 0) -> OutgoingTransaction:
    """One of nonce 3; ``succeeded`` None: not mined."""
    found = None if succeeded is None else receipt(3, block=9, succeeded=succeeded)
    return OutgoingTransaction(3, debt, [signed(3)], state, receipt=found)


def test_a_debt_says_whom_what_for_and_how_much() -> None:
    debt = book(5).book[0]
    assert (debt.creator, debt.cid, debt.before, debt.after, debt.wei) == ("bob", "bob-1", score(50), score(60), 5)
    assert debt.state is DebtState.OWED and debt.payee is None


@pytest.mark.parametrize("state", TxState)
def test_a_debt_follows_its_transaction(state: TxState) -> None:
    debt = book(5).follow(transaction(state))
    assert (debt.state, debt.nonce, debt.tx) == (STATES[state], 3, "3.0")


def test_a_debt_names_the_block_and_the_form_that_was_mined() -> None:
    tried = transaction(TxState.MINED, succeeded=True)
    tried.forms.append(signed(3, form=1))
    debt = book(5).follow(tried)
    assert (debt.tx, debt.block, debt.reason) == ("3.0", 9, None)


def test_a_payee_that_reverts_has_refused_but_only_when_that_is_final() -> None:
    debts = book(5)
    assert debts.follow(transaction(TxState.MINED, succeeded=False)).state is DebtState.MINED
    refused = debts.follow(transaction(TxState.FINAL, succeeded=False))
    assert refused.state is DebtState.REFUSED and refused.reason
    assert debts.follow(transaction(TxState.SIGNED)).reason is None


def test_the_cap_counts_whatever_was_signed_and_may_still_be_paid() -> None:
    debts = book(60, 40, 1)
    assert debts.within_cap(Wei(100)) and not debts.within_cap(Wei(101))
    debts.follow(transaction(TxState.SIGNED, debt=0))
    assert debts.within_cap(Wei(40)) and not debts.within_cap(Wei(41))
    debts.follow(transaction(TxState.FINAL, succeeded=False, debt=1))
    assert not debts.within_cap(Wei(1))


def test_what_is_declined_is_not_spent() -> None:
    debts = book(60)
    debts.decline(0, "funds")
    assert debts.within_cap(Wei(100))


def test_only_open_debts_to_a_creator_become_payable() -> None:
    debts = book(1, 2, 3)
    debts.decline(1, "cap")
    assert [debt.debt for debt in debts.owed_to(model("bob").creator)] == [0, 2]
    assert debts.owed_to(model("ann").creator) == []
    assert debts.payable(0, BOB).payee == BOB
    assert [debt.debt for debt in debts.owed_to(model("bob").creator)] == [2]


def test_a_debt_whose_payee_is_in_doubt_is_owed_again() -> None:
    debts = book(1)
    debts.payable(0, BOB)
    assert (debts.reopen(0).state, debts.book[0].payee) == (DebtState.OWED, None)


@pytest.mark.parametrize("state", DebtState)
def test_four_states_are_terminal(state: DebtState) -> None:
    assert state.terminal is (state.value in {"final", "refused", "declined", "unclaimed"})


def test_an_unclaimed_debt_says_why() -> None:
    debt = book(1).unclaimed(0)
    assert debt.state is DebtState.UNCLAIMED and debt.reason
