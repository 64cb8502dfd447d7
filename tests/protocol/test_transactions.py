"""Signed transactions: one purpose per nonce, kept until one version of each is final."""

from tests.helpers.peers import head, receipt, signed

from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Receipt
from learnae.protocol.requests import Requests
from learnae.protocol.settings import ChainSettings
from learnae.protocol.transactions import OutgoingTransaction, Transactions, TxState
from learnae.protocol.types import Address, Cid, PeerId, Poid, Timer, TxHash, Wei

PAYMENT = do.SignPayment(2, (0,), 1, 0, Address("0xbob"), Wei(5), (Cid("bob-1"),))


def read(transactions: Transactions, height: int, *receipts: Receipt) -> list[int]:
    """Nonces whose state or block changed."""
    changed: list[OutgoingTransaction] = []
    transactions._changed = changed.append
    transactions.update(receipts, head(height))
    return [each.nonce for each in changed]


def polled(transactions: Transactions) -> tuple[TxHash, ...]:
    """Hashes that the next poll asks for."""
    transactions.poll()
    (request,) = transactions._requests.open(do.ReadReceipts)
    transactions._requests.abandon(request)
    return request.hashes


def two() -> Transactions:
    requests = Requests()
    requests.validate(on.Started(1.0))
    transactions = Transactions(ChainSettings(), requests, lambda changed: None)
    transactions.add(signed(0), do.SignDeployment(1, 0, 0, Poid(PeerId("me"), Address("0xme"))))
    transactions.add(signed(1), PAYMENT)
    return transactions


def test_a_replacement_is_a_second_version_of_the_same_transaction() -> None:
    transactions = two()
    transactions._requests.validate(on.TimerFired(9.0, Timer.CHAIN))
    transactions.add(signed(1, version=1), PAYMENT)
    assert [each.nonce for each in transactions.by_nonce] == [0, 1]
    replaced = transactions.by_nonce[1]
    assert (replaced.newest, replaced.since, replaced.purpose) == (signed(1, version=1), 9.0, (0,))


def test_the_chain_is_asked_about_every_version_of_what_is_not_final() -> None:
    transactions = two()
    transactions.add(signed(1, version=1), PAYMENT)
    assert polled(transactions) == ("0.0", "1.0", "1.1")
    read(transactions, 5, receipt(0, block=2))
    assert polled(transactions) == ("1.0", "1.1")


def test_a_transaction_is_final_after_as_many_blocks_as_are_asked_for_its_own_included() -> None:
    transactions = two()
    states = []
    for height in (3, 4, 5):
        read(transactions, height, *[receipt(0, block=4)][: height >= 4])
        states.append(transactions.by_nonce[0].state)
    assert states == [TxState.SIGNED, TxState.MINED, TxState.FINAL]


def test_what_did_not_change_is_not_told_again() -> None:
    transactions = two()
    read(transactions, 4, receipt(0, block=4))
    assert read(transactions, 4, receipt(0, block=4)) == []


def test_any_form_that_is_mined_settles_the_transaction() -> None:
    transactions = two()
    transactions.add(signed(1, version=1), PAYMENT)
    read(transactions, 9, receipt(1, version=0, block=3))
    assert transactions.by_nonce[1].receipt == receipt(1, version=0, block=3)


def test_a_form_signed_too_late_does_not_undo_that_another_was_mined() -> None:
    transactions = two()
    read(transactions, 9, receipt(1, block=3))
    transactions.add(signed(1, version=1), PAYMENT)
    assert transactions.by_nonce[1].state is TxState.FINAL
    assert transactions.by_nonce[1].versions == [signed(1), signed(1, version=1)]


def test_what_was_sent_and_is_not_mined_stays_sent() -> None:
    transactions = two()
    transactions.by_nonce[0].state = TxState.SENT
    assert read(transactions, 9) == []
    assert transactions.by_nonce[0].state is TxState.SENT


def test_what_the_chain_forgot_is_to_be_sent_again() -> None:
    transactions = two()
    read(transactions, 4, receipt(0, block=4))
    assert read(transactions, 4) == [0]
    assert transactions.by_nonce[0].state is TxState.SIGNED


def test_after_a_rollback_even_what_was_final_is_asked_about_and_what_was_sent_is_sent_again() -> None:
    transactions = two()
    read(transactions, 9, receipt(0, block=2))
    transactions.by_nonce[1].state = TxState.SENT
    assert not transactions.need_recheck
    assert transactions.mark_for_recheck() == 2
    assert transactions.need_recheck
    assert polled(transactions) == ("0.0", "1.0")
    assert transactions.by_nonce[1].state is TxState.SIGNED
    assert read(transactions, 9, receipt(0, block=2)) == []
    assert not transactions.need_recheck


def test_a_final_transaction_may_turn_out_to_be_lost_or_elsewhere() -> None:
    transactions = two()
    read(transactions, 9, receipt(0, block=2), receipt(1, block=2))
    transactions.mark_for_recheck()
    assert read(transactions, 9, receipt(1, block=5)) == [0, 1]
    assert [each.state for each in transactions.by_nonce] == [TxState.SIGNED, TxState.FINAL]


def test_a_transaction_without_effect_failed() -> None:
    transactions = two()
    assert not transactions.by_nonce[0].failed
    read(transactions, 9, receipt(0, block=2, succeeded=False), receipt(1, block=2))
    assert [each.failed for each in transactions.by_nonce] == [True, False]
