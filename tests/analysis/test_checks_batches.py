"""Batched payments: one transfer pays several debts to one payee, and is due when ``[payment]`` says so."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.histories import (
    ANN_PAYS,
    DAN_IS_OWED,
    MODEL,
    SETTINGS,
    WALLET,
    Choice,
    amended,
    binary,
    caught,
    fact_is,
    followed_by,
    judged,
    on_chain,
    transaction,
    without,
)

from learnae.analysis.money import flows
from learnae.protocol.decisions import DebtChanged, DebtState, Verdict, WorkChanged, WorkState
from learnae.protocol.settings import IdentityRule, PaymentSettings, Settle
from learnae.protocol.types import TxHash, Wei
from learnae.records.chain_export import Balances, ChainRecord
from learnae.records.history import History, SessionBegan

SECOND = replace(DAN_IS_OWED, payee=WALLET["bob"], nonce=1, tx=ANN_PAYS.tx)
TOTAL = Wei(ANN_PAYS.wei + SECOND.wei)


def batched(threshold: str = "0.001", settle: Settle = Settle.BATCHED) -> History:
    """The good history, in which ann pays both of its debts at once: bob's wallet has claimed dan's id, too."""
    session = replace(SETTINGS, payment=PaymentSettings(settle, Decimal(threshold)), identity=IdentityRule.PAPER)
    history = amended(fact_is("swarm", SessionBegan), session=session)
    history = without(fact_is("ann", DebtChanged, debt=1, state=DebtState.UNCLAIMED), history)
    owed = fact_is("ann", DebtChanged, debt=1, state=DebtState.OWED)
    claim = judged("eve", "dan", "bob", Verdict.WINNER, (1002, 1, 3))
    payable = replace(SECOND, state=DebtState.PAYABLE, nonce=None, tx=None)
    history = followed_by(owed, claim, followed_by(owed, payable, history))
    for state in (DebtState.SIGNED, DebtState.SENT, DebtState.MINED, DebtState.FINAL):
        block = 2 if state in (DebtState.MINED, DebtState.FINAL) else None
        first = fact_is("ann", DebtChanged, debt=0, state=state)
        history = followed_by(first, replace(SECOND, state=state, block=block), history)
    data = "0x" + (binary(MODEL["bob 1"]) + binary(MODEL["dan 1"])).hex()
    return on_chain(_moved, transaction("0xann1", history, wei=TOTAL, data=data))


def _moved(record: ChainRecord) -> ChainRecord:
    if not isinstance(record, Balances):
        return record
    balances = dict(record.balances)
    balances[WALLET["ann"]] = Wei(balances[WALLET["ann"]] - SECOND.wei)
    balances[WALLET["bob"]] = Wei(balances[WALLET["bob"]] + SECOND.wei)
    return replace(record, balances=balances)


def test_one_transfer_may_pay_several_debts_to_one_payee() -> None:
    assert not caught(batched())


def test_a_session_that_pays_each_debt_by_itself_has_no_batches() -> None:
    assert caught(batched(settle=Settle.EACH)) == {
        "debts_paid_once": "invalid: transfer 0xann1 in block 2 belongs to 2 debts"
    }


def test_a_batch_covers_debts_of_one_payer() -> None:
    history = amended(fact_is("bob", DebtChanged, tx=TxHash("0xbob1")), batched(), tx=TxHash("0xann1"))
    assert "transfer 0xann1 in block 2 belongs to 3 debts" in caught(history)["debts_paid_once"]


@pytest.mark.parametrize(
    ("what", "changes"),
    [("wei", {"wei": ANN_PAYS.wei}), ("calldata", {"data": "0x" + binary(MODEL["bob 1"]).hex()})],
)
def test_a_batch_pays_the_sum_of_its_debts_and_names_all_their_models(what: str, changes: dict[str, Any]) -> None:
    found = caught(transaction("0xann1", batched(), **changes))["payments_match_debts"]
    assert f"debt 0 of ann: {what} is " in found and f"debt 1 of ann: {what} is " in found


def test_a_batch_below_the_threshold_is_due_only_once_the_payer_has_finished() -> None:
    early = batched(threshold="0.004")
    reason = f"ann signed 0xann1 for {TOTAL} wei, below the threshold of {4 * 10**15}, before it had finished"
    assert caught(early) == {"batches_are_due": f"invalid: {reason}"}
    payable = fact_is("ann", DebtChanged, debt=1, state=DebtState.PAYABLE)
    assert not caught(followed_by(payable, WorkChanged(WorkState.DONE), early))
    assert not caught(rested_for_a_moment(payable, early)), "it may be woken while it signs"
    owed = fact_is("ann", DebtChanged, debt=1, state=DebtState.OWED)
    assert caught(rested_for_a_moment(owed, early)).keys() == {"batches_are_due"}, "it was not payable by then"


def rested_for_a_moment(choice: Choice, history: History) -> History:
    return followed_by(choice, WorkChanged(WorkState.DONE), followed_by(choice, WorkChanged(WorkState.IDLE), history))


def test_a_full_batch_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learnae.analysis.checks.debts.FULL", 2)
    assert not caught(batched(threshold="0.004"))


def test_a_payment_of_two_debts_is_one_payment() -> None:
    [flow] = (flow for flow in flows(batched()) if flow.payer == "ann")
    assert (flow.payee, flow.count, flow.wei) == ("bob", 1, TOTAL)
