"""Signed transactions: one purpose a nonce, kept until the chain has one form of each for good."""

from tests.helpers.peers import head, receipt, signed

from learnae.protocol.transactions import DEPLOYMENT, Transactions, TxState
from learnae.protocol.types import Receipt


def read(outbox: Transactions, height: int, *receipts: Receipt) -> list[int]:
    """Nonces whose state or block changed."""
    found = {each.hash: each for each in receipts}
    return [each.nonce for each in outbox.read(found, head(height), confirmations=2)]


def two() -> Transactions:
    outbox = Transactions()
    outbox.sign(signed(0), DEPLOYMENT, 1.0)
    outbox.sign(signed(1), 0, 2.0)
    return outbox


def test_a_replacement_is_a_second_form_of_the_same_transaction() -> None:
    outbox = two()
    outbox.sign(signed(1, form=1), 0, 9.0)
    assert [each.nonce for each in outbox.transactions] == [0, 1]
    replaced = outbox.transactions[1]
    assert (replaced.newest, replaced.since, replaced.purpose) == (signed(1, form=1), 9.0, 0)


def test_the_chain_is_asked_about_every_form_of_what_is_not_final() -> None:
    outbox = two()
    outbox.sign(signed(1, form=1), 0, 9.0)
    assert outbox.hashes() == ("0.0", "1.0", "1.1")
    read(outbox, 5, receipt(0, block=2))
    assert outbox.hashes() == ("1.0", "1.1")


def test_a_transaction_is_final_after_as_many_blocks_as_are_asked_for_its_own_included() -> None:
    outbox = two()
    states = []
    for height in (3, 4, 5):
        read(outbox, height, *[receipt(0, block=4)][: height >= 4])
        states.append(outbox.transactions[0].state)
    assert states == [TxState.SIGNED, TxState.MINED, TxState.FINAL]


def test_what_did_not_change_is_not_told_again() -> None:
    outbox = two()
    read(outbox, 4, receipt(0, block=4))
    assert read(outbox, 4, receipt(0, block=4)) == []


def test_any_form_that_is_mined_settles_the_transaction() -> None:
    outbox = two()
    outbox.sign(signed(1, form=1), 0, 9.0)
    read(outbox, 9, receipt(1, form=0, block=3))
    assert outbox.transactions[1].receipt == receipt(1, form=0, block=3)


def test_a_form_signed_too_late_does_not_undo_that_another_was_mined() -> None:
    outbox = two()
    read(outbox, 9, receipt(1, block=3))
    outbox.sign(signed(1, form=1), 0, 9.0)
    assert outbox.transactions[1].state is TxState.FINAL
    assert outbox.transactions[1].forms == [signed(1), signed(1, form=1)]


def test_what_was_sent_and_is_not_mined_stays_sent() -> None:
    outbox = two()
    outbox.transactions[0].state = TxState.SENT
    assert read(outbox, 9) == []
    assert outbox.transactions[0].state is TxState.SENT


def test_what_the_chain_forgot_is_to_be_sent_again() -> None:
    outbox = two()
    read(outbox, 4, receipt(0, block=4))
    assert read(outbox, 4) == [0]
    assert outbox.transactions[0].state is TxState.SIGNED


def test_after_a_rollback_even_what_was_final_is_asked_about_and_what_was_sent_is_sent_again() -> None:
    outbox = two()
    read(outbox, 9, receipt(0, block=2))
    outbox.transactions[1].state = TxState.SENT
    assert not outbox.doubted
    assert outbox.doubt() == 2
    assert outbox.doubted
    assert outbox.hashes() == ("0.0", "1.0")
    assert outbox.transactions[1].state is TxState.SIGNED
    assert read(outbox, 9, receipt(0, block=2)) == []
    assert not outbox.doubted


def test_a_final_transaction_may_turn_out_to_be_lost_or_elsewhere() -> None:
    outbox = two()
    read(outbox, 9, receipt(0, block=2), receipt(1, block=2))
    outbox.doubt()
    assert read(outbox, 9, receipt(1, block=5)) == [0, 1]
    assert [each.state for each in outbox.transactions] == [TxState.SIGNED, TxState.FINAL]


def test_a_transaction_without_effect_failed() -> None:
    outbox = two()
    assert not outbox.transactions[0].failed
    read(outbox, 9, receipt(0, block=2, succeeded=False), receipt(1, block=2))
    assert [each.failed for each in outbox.transactions] == [True, False]
