"""Debts: one per adoption, each with an end."""

import pytest
from tests.helpers.peers import model, receipt, score, signed

from learnae.protocol import actions as do
from learnae.protocol.debts import STATES, Debts
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.transactions import OutgoingTransaction, TxState
from learnae.protocol.types import Address, Cid, PeerId, Wei

BOB = Address("0xbob")


def book(*amounts: int, cap: int = 100) -> Debts:
    debts = Debts(Wei(cap), lambda debt: None)
    for number, wei in enumerate(amounts):
        debts.add(PeerId("bob"), Cid(f"bob-{number + 1}"), score(50), score(60), Wei(wei), 0)
    return debts


def above_cap(debts: Debts, *numbers: int) -> list[int]:
    """Those of these debts that exceed the cap, and are declined."""
    kept = debts.decline_above_cap([debts.by_number[number] for number in numbers])
    return [number for number in numbers if debts.by_number[number] not in kept]


def updated(debts: Debts, transaction: OutgoingTransaction) -> DebtChanged:
    debts.update(transaction)
    return debts.by_number[transaction.purpose[0]]


def transaction(state: TxState, succeeded: bool | None = None, debt: int = 0) -> OutgoingTransaction:
    """One of nonce 3; ``succeeded`` None: not mined."""
    found = None if succeeded is None else receipt(3, block=9, succeeded=succeeded)
    payment = do.SignPayment(1, (debt,), 3, 0, BOB, Wei(5), (Cid("bob-1"),))
    return OutgoingTransaction(payment, [signed(3)], state, receipt=found)


def test_a_debt_names_its_creator_model_and_amount() -> None:
    debt = book(5).by_number[0]
    assert (debt.creator, debt.cid, debt.before, debt.after, debt.wei) == ("bob", "bob-1", score(50), score(60), 5)
    assert debt.state is DebtState.OWED and debt.payee is None


@pytest.mark.parametrize("state", TxState)
def test_a_debt_follows_its_transaction(state: TxState) -> None:
    debt = updated(book(5), transaction(state))
    assert (debt.state, debt.nonce, debt.tx) == (STATES[state], 3, "3.0")


def test_a_debt_names_the_block_and_the_version_that_was_mined() -> None:
    tried = transaction(TxState.MINED, succeeded=True)
    tried.versions.append(signed(3, version=1))
    debt = updated(book(5), tried)
    assert (debt.tx, debt.block, debt.reason) == ("3.0", 9, None)


def test_a_payee_that_reverts_has_refused_but_only_when_that_is_final() -> None:
    debts = book(5)
    assert updated(debts, transaction(TxState.MINED, succeeded=False)).state is DebtState.MINED
    refused = updated(debts, transaction(TxState.FINAL, succeeded=False))
    assert refused.state is DebtState.REFUSED and refused.reason
    assert updated(debts, transaction(TxState.SIGNED)).reason is None


def test_the_cap_counts_whatever_was_signed_and_may_still_be_paid() -> None:
    debts = book(60, 40, 1)
    assert not above_cap(debts, 0, 1)
    updated(debts, transaction(TxState.SIGNED, debt=0))
    assert not above_cap(debts, 1)
    updated(debts, transaction(TxState.FINAL, succeeded=False, debt=1))
    assert above_cap(debts, 2) == [2]
    assert debts.by_number[2].reason == "cap"


def test_of_several_debts_the_cap_allows_the_earliest_that_fit() -> None:
    assert above_cap(book(60, 50, 40, 1), 0, 1, 2, 3) == [1, 3]


def test_what_is_declined_is_not_spent() -> None:
    debts = book(60)
    debts.decline(debts.by_number[0], "funds")
    debts.add(PeerId("bob"), Cid("bob-9"), score(50), score(60), Wei(100), 1)
    assert not above_cap(debts, 1)


def test_only_open_debts_to_a_creator_become_payable() -> None:
    debts = book(1, 2, 3)
    debts.decline(debts.by_number[1], "cap")
    assert [debt.debt for debt in debts.owed_to(model("bob").creator)] == [0, 2]
    assert debts.owed_to(model("ann").creator) == []
    assert debts.make_payable(debts.by_number[0], BOB).payee == BOB
    assert [debt.debt for debt in debts.owed_to(model("bob").creator)] == [2]


def test_a_debt_that_lost_its_payee_is_owed_again() -> None:
    debts = book(1)
    debts.make_payable(debts.by_number[0], BOB)
    debts.reopen(debts.by_number[0])
    assert (debts.by_number[0].state, debts.by_number[0].payee) == (DebtState.OWED, None)


@pytest.mark.parametrize("state", DebtState)
def test_four_states_are_terminal(state: DebtState) -> None:
    assert state.terminal is (state.value in {"final", "refused", "declined", "unclaimed"})


def test_an_unclaimed_debt_says_why() -> None:
    debts = book(1)
    debts.give_up_unclaimed(debts.by_number[0])
    debt = debts.by_number[0]
    assert debt.state is DebtState.UNCLAIMED and debt.reason
