"""A chain with others on it: what the checks hold of an export that begins in its middle."""

from collections.abc import Callable
from dataclasses import replace

from tests.helpers.histories import ANN_PAYS, GAS, GOOD, LEDGER, WALLET, caught, on_chain, transaction

from learnae.analysis.checks import verdict
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.types import Address, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction, Genesis, StartingBalances
from learnae.records.history import History, Record

FIRST = 7_000_000  # the block that the session began after
STRANGER = Address("0x" + "5e" * 20)
GIFT = ChainTransaction(TxHash("0xgift"), STRANGER, WALLET["eve"], 812, Wei(5), 21_000, GAS, "0x", None, True)


def moved(record: ChainRecord) -> list[ChainRecord]:
    """A record of the good ledger, as an export of a chain with others on it has it."""
    match record:
        case Genesis(alloc=alloc):
            return [Genesis("0xg", 31337, {}), StartingBalances(FIRST, "0xb0", alloc)]
        case Block(number=number):
            return [replace(record, number=FIRST + number, parent=f"0xb{number - 1}")]
        case Balances():
            return [replace(record, height=FIRST + 5)]
    return [record]


def empty(number: int) -> Block:
    return Block(FIRST + number, f"0xb{number}", f"0xb{number - 1}", 1000 + number, ())


def later(record: Record) -> Record:
    match record.fact:
        case DebtChanged(block=int(block)):
            return replace(record, fact=replace(record.fact, block=FIRST + block))
    return record


def foreign() -> History:
    """The good session on it."""
    chain = [each for record in LEDGER for each in moved(record)]
    chain[4:4] = [empty(3)]
    chain[-1:-1] = [empty(5)]
    return History(tuple(map(later, GOOD.records)), tuple(chain))


def without_block(number: int) -> History:
    history = foreign()
    kept = (each for each in history.chain if not isinstance(each, Block) or each.number != FIRST + number)
    return replace(history, chain=tuple(kept))


def held(change: Callable[[dict[Address, Wei]], dict[Address, Wei]], history: History) -> History:
    """With other balances in the end."""
    return on_chain(
        lambda each: replace(each, balances=change(each.balances)) if isinstance(each, Balances) else each, history
    )


def given(history: History) -> History:
    """A stranger sends eve money in mid-session, with a nonce of its own."""
    return on_chain(
        lambda each: replace(each, transactions=(GIFT,)) if isinstance(each, Block) and not each.transactions else each,
        history,
    )


def test_a_session_on_a_chain_with_others_on_it_is_valid_and_says_what_it_rests_on() -> None:
    assert caught(foreign()) == {}
    [said] = verdict(foreign())["unproven"]
    assert "other accounts" in said and f"block {FIRST}" in said and "rely on the node" in said
    assert verdict(GOOD)["unproven"] == []


def test_no_block_since_the_beginning_may_be_missing_not_even_an_empty_one() -> None:
    for number in (1, 2, 3, 4):
        assert "does not follow" in caught(without_block(number))["blocks_and_nonces_consecutive"]
    assert "ends with block" in caught(without_block(5))["blocks_and_nonces_consecutive"]


def test_a_block_on_top_of_another_is_noticed() -> None:
    history = on_chain(
        lambda each: replace(each, hash="0xother") if isinstance(each, StartingBalances) else each, foreign()
    )
    assert f"block {FIRST + 1} does not follow block {FIRST}" in caught(history)["blocks_and_nonces_consecutive"]


def test_a_transaction_of_the_rosters_that_was_left_out_shows_in_nonces_or_balances() -> None:
    def left_out(each: ChainRecord) -> ChainRecord:
        if isinstance(each, Block):
            kept = tuple(every for every in each.transactions if every.hash != ANN_PAYS.tx)
            return replace(each, transactions=kept)
        return each

    assert caught(on_chain(left_out, foreign())).keys() >= {"wei_conserved", "debts_paid_once"}
    assert "nonce" in caught(transaction("0xann1", foreign(), nonce=2))["blocks_and_nonces_consecutive"]


def test_what_strangers_send_must_be_in_the_balance_and_their_nonces_are_their_own() -> None:
    gifts = 2  # in blocks 3 and 5
    richer = held(lambda all: all | {WALLET["eve"]: Wei(all[WALLET["eve"]] + gifts * GIFT.wei)}, given(foreign()))
    assert caught(richer) == {}
    assert WALLET["eve"] in caught(given(foreign()))["wei_conserved"]


def test_money_from_nowhere_is_noticed() -> None:
    richer = held(lambda all: all | {WALLET["eve"]: Wei(all[WALLET["eve"]] + 1)}, foreign())
    assert WALLET["eve"] in caught(richer)["wei_conserved"]


def test_every_wallet_of_the_roster_is_accounted_for_and_no_other() -> None:
    def narrowed(each: ChainRecord) -> ChainRecord:
        if isinstance(each, StartingBalances):
            return replace(
                each, balances={wallet: wei for wallet, wei in each.balances.items() if wallet != WALLET["dan"]}
            )
        return each

    assert "do not belong to the roster" in caught(on_chain(narrowed, foreign()))["wei_conserved"]
