"""The chain and the debts: each way of spoiling the good history is caught by the checks that should, by no other."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.histories import (
    ANN_OWES,
    ANN_PAYS,
    BOB_PAYS,
    CAT_OWES,
    GOOD,
    MODEL,
    PEER,
    SETTINGS,
    WALLET,
    amended,
    caught,
    fact_is,
    followed_by,
    judged,
    mined_too,
    on_chain,
    paid,
    score,
    transaction,
    without,
)

from learnae.analysis.checks import CHECKS
from learnae.analysis.checks.result import CheckOutcome, CheckResult, check
from learnae.protocol.decisions import Averaged, ClaimJudged, DebtChanged, DebtState, Verdict
from learnae.protocol.settings import IdentityRule
from learnae.protocol.types import Address, Cid, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, Genesis
from learnae.records.history import History, SessionBegan

ANN_SIGNED = fact_is("ann", DebtChanged, debt=0, state=DebtState.SIGNED)
ANN_FINAL = fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL)
ANN_AVERAGED_BOB = fact_is("ann", Averaged, remote_cid=MODEL["bob 1"])
BOB_DROPPED = fact_is("bob", Averaged, adopted=False)
BOB_AVERAGED = fact_is("bob", Averaged, adopted=True)
MONEY = {"wei_conserved", "debts_paid_once", "payments_match_debts", "blocks_and_nonces_consecutive"}


def reward(**changes: Any) -> History:
    session = replace(SETTINGS, reward=replace(SETTINGS.reward, **changes))
    return amended(fact_is("swarm", SessionBegan), session=session)


def test_the_good_history_passes_every_check() -> None:
    assert not caught(GOOD)


# a check by itself


def test_an_exploding_check_is_unknown_and_says_why() -> None:
    assert check(lambda history: [str(1 // 0)])(GOOD) == CheckResult(
        CheckOutcome.UNKNOWN, "ZeroDivisionError: integer division or modulo by zero"
    )


def test_a_violation_found_before_the_explosion_still_counts() -> None:
    def found_then_exploded(history: History) -> Any:
        yield "found"
        raise LookupError("no more")

    assert check(found_then_exploded)(GOOD) == CheckResult(CheckOutcome.INVALID, "found; then LookupError: no more")


def test_a_reason_names_the_first_violations_and_counts_the_rest() -> None:
    assert check(lambda history: map(str, range(7)))(GOOD).reason == "0; 1; 2; 3; 4; and 2 more"


def test_without_a_beginning_nothing_is_valid_but_the_chain_itself() -> None:
    found = caught(without(fact_is("swarm", SessionBegan)))
    assert found.keys() == CHECKS.keys() - {"blocks_and_nonces_consecutive", "wei_conserved"}
    assert all("does not begin" in reason for reason in found.values())


@pytest.mark.parametrize("missing", [Genesis, Balances, ChainRecord])
def test_without_the_whole_chain_nothing_about_it_is_known(missing: Any) -> None:
    found = caught(replace(GOOD, chain=tuple(each for each in GOOD.chain if not isinstance(each, missing))))
    assert found.keys() == MONEY | {"gas_within_limits"}
    assert all(reason.startswith("unknown") and "incomplete" in reason for reason in found.values())


# the chain


def test_a_block_that_does_not_follow_is_invalid() -> None:
    def moved(record: ChainRecord) -> ChainRecord:
        return replace(record, parent="0xelse") if isinstance(record, Block) and record.number == 2 else record

    found = caught(on_chain(moved))
    assert found == {"blocks_and_nonces_consecutive": "invalid: block 2 does not follow block 1"}


def test_a_block_told_twice_is_invalid() -> None:
    found = caught(replace(GOOD, chain=(*GOOD.chain[:2], *GOOD.chain[1:])))
    assert found.keys() == {"blocks_and_nonces_consecutive", "wei_conserved"}


def test_a_nonce_spent_twice_is_invalid() -> None:
    assert "has nonce 0" in caught(transaction("0xann1", nonce=0))["blocks_and_nonces_consecutive"]


def test_wei_from_nowhere_is_invalid() -> None:
    def richer(record: ChainRecord) -> ChainRecord:
        if not isinstance(record, Balances):
            return record
        return replace(record, balances=record.balances | {WALLET["cat"]: Wei(10**18 + 1)})

    found = caught(on_chain(richer))
    assert found.keys() == {"wei_conserved"}
    assert f"{WALLET['cat']} holds {10**18 + 1} wei, not {10**18}" in found["wei_conserved"]
    assert "of the genesis block" in found["wei_conserved"]


def test_a_balance_that_moved_without_a_transfer_is_invalid_even_if_the_sum_is_right() -> None:
    def moved(record: ChainRecord) -> ChainRecord:
        if not isinstance(record, Balances):
            return record
        less, more = Wei(record.balances[WALLET["cat"]] - 1), Wei(record.balances[WALLET["dan"]] + 1)
        return replace(record, balances=record.balances | {WALLET["cat"]: less, WALLET["dan"]: more})

    found = caught(on_chain(moved))
    assert found.keys() == {"wei_conserved"}
    assert "of the genesis block" not in found["wei_conserved"]


def test_a_failed_transfer_moves_nothing_but_its_gas() -> None:
    failed = replace(paid("cat", ANN_PAYS, b""), hash=TxHash("0xcat0"), nonce=0, succeeded=False)

    def poorer(record: ChainRecord) -> ChainRecord:
        if not isinstance(record, Balances):
            return record
        left = Wei(record.balances[WALLET["cat"]] - failed.gas_used * failed.gas_price)
        return replace(record, balances=record.balances | {WALLET["cat"]: left})

    assert caught(mined_too(4, failed, history=on_chain(poorer))).keys() == {"debts_paid_once"}


def test_balances_are_those_of_their_height() -> None:
    early = Balances(0, {entry.wallet: Wei(10**18) for entry in GOOD.roster.values()})
    assert not caught(replace(GOOD, chain=(*GOOD.chain, early)))
    assert caught(replace(GOOD, chain=(*GOOD.chain, replace(early, height=1)))).keys() == {"wei_conserved"}


def test_addresses_are_the_same_in_any_case() -> None:
    def shouted(record: ChainRecord) -> ChainRecord:
        if not isinstance(record, Balances):
            return record
        return replace(record, balances={Address(f"0x{each[2:].upper()}"): w for each, w in record.balances.items()})

    assert not caught(on_chain(shouted))


# debts and the chain


def test_a_debt_paid_twice_is_invalid() -> None:
    again = replace(ANN_PAYS, nonce=2, tx=TxHash("0xann2"), state=DebtState.SIGNED)
    history = followed_by(ANN_SIGNED, again, history=mined_too(4, paid("ann", again, MODEL["bob 1"].encode())))
    found = caught(history)
    assert "debt 0 of ann was paid 2 times" in found["debts_paid_once"]
    assert found.keys() == {"debts_paid_once", "wei_conserved", "payee_has_earliest_claim"}


def test_a_payment_without_a_debt_is_invalid() -> None:
    gift = replace(paid("ann", ANN_PAYS, b""), hash=TxHash("0xgift"), nonce=2)
    assert "transfer 0xgift in block 4 belongs to 0 debts" in caught(mined_too(4, gift))["debts_paid_once"]


def test_a_payment_for_two_debts_is_invalid() -> None:
    both = amended(fact_is("ann", DebtChanged, debt=1), tx=TxHash("0xann1"))
    assert "belongs to 2 debts" in caught(both)["debts_paid_once"]


def test_a_transfer_by_somebody_outside_the_session_is_no_ones_debt() -> None:
    faucet = replace(paid("ann", ANN_PAYS, b""), hash=TxHash("0xf"), sender=Address("0xfaucet"), nonce=0)
    assert caught(mined_too(4, faucet)).keys() == {"wei_conserved"}


def test_a_debt_that_is_final_without_its_transaction_is_invalid() -> None:
    found = caught(amended(ANN_FINAL, tx=TxHash("0xelse")))
    assert "debt 0 of ann is final, but its transaction 0xelse is not on the chain" in found["debts_paid_once"]


def test_a_debt_whose_transaction_failed_is_not_final() -> None:
    found = caught(transaction("0xann1", succeeded=False))
    assert found.keys() == {"wei_conserved", "debts_paid_once", "payments_match_debts"}
    assert "success is False on the chain, True in the debt" in found["payments_match_debts"]


def test_a_debt_that_was_paid_is_not_declined() -> None:
    found = caught(amended(ANN_FINAL, state=DebtState.DECLINED))
    assert found == {"debts_paid_once": "invalid: debt 0 of ann is declined, but was paid"}


def test_a_refused_debt_goes_with_a_failed_transaction() -> None:
    refused = amended(ANN_FINAL, state=DebtState.REFUSED, history=transaction("0xann1", succeeded=False))
    assert caught(refused).keys() == {"wei_conserved"}
    assert caught(amended(ANN_FINAL, state=DebtState.REFUSED)).keys() == {"debts_paid_once", "payments_match_debts"}


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("sender", {"sender": WALLET["cat"]}),
        ("payee", {"to": WALLET["dan"]}),
        ("wei", {"wei": Wei(1)}),
        ("calldata", {"data": "0x" + MODEL["ann 1"].encode().hex()}),
        ("calldata", {"data": "0xff"}),
        ("nonce", {"nonce": 7}),
    ],
)
def test_a_transaction_that_says_something_else_than_its_debt_is_invalid(what: str, changes: dict[str, Any]) -> None:
    assert f"debt 0 of ann: {what} is " in caught(transaction("0xann1", **changes))["payments_match_debts"]


def test_a_final_debt_names_the_block_of_its_transaction() -> None:
    found = caught(amended(ANN_FINAL, block=4))
    assert found == {"payments_match_debts": "invalid: debt 0 of ann: block is 2 on the chain, 4 in the debt"}


# debts


@pytest.mark.parametrize("state", [DebtState.OWED, DebtState.PAYABLE])
def test_a_debt_left_open_is_invalid(state: DebtState) -> None:
    found = caught(amended(fact_is("ann", DebtChanged, debt=1, state=DebtState.UNCLAIMED), state=state))
    assert found == {"no_debt_left_open": f"invalid: debt 1 of ann is still {state}"}


def test_a_payment_mined_and_not_yet_final_is_open() -> None:
    assert caught(amended(ANN_FINAL, state=DebtState.MINED)).keys() == {"no_debt_left_open"}


def test_a_forgotten_debt_is_invalid() -> None:
    found = caught(without(fact_is("ann", DebtChanged, debt=1)))
    assert found.keys() == {"adoptions_create_debts"}
    assert "has no debt for it" in found["adoptions_create_debts"]


def test_a_debt_without_an_adoption_is_invalid() -> None:
    history = amended(BOB_AVERAGED, adopted=False, after=score(690))
    assert "has not adopted it" in caught(history)["adoptions_create_debts"]


def test_two_debts_for_one_adoption_are_invalid() -> None:
    twice = followed_by(
        fact_is("cat", DebtChanged, state=DebtState.DECLINED), replace(CAT_OWES, debt=1, state=DebtState.DECLINED)
    )
    assert caught(twice).keys() == {"adoptions_create_debts"}


@pytest.mark.parametrize("changes", [{"creator": PEER["eve"]}, {"cid": MODEL["ann 1"]}, {"after": score(751)}])
def test_a_debt_that_changes_what_it_is_for_is_invalid(changes: dict[str, Any]) -> None:
    found = caught(amended(fact_is("ann", DebtChanged, debt=0, state=DebtState.PAYABLE), **changes))
    assert "debt 0 of ann changed its model or scores" in found["adoptions_create_debts"]


def test_one_model_adopted_twice_is_owed_for_twice() -> None:
    before, after = score(701), score(702)
    more = Averaged(PEER["bob"], MODEL["bob 1"], before, after, True, Cid("bmore"), 2)
    history = followed_by(fact_is("cat", Averaged), more)
    assert caught(history).keys() == {"adoptions_create_debts"}
    paid_for = replace(CAT_OWES, debt=1, state=DebtState.DECLINED, before=before, after=after)
    assert not caught(followed_by(fact_is("cat", DebtChanged, state=DebtState.DECLINED), paid_for, history=history))


def test_paying_a_later_claim_is_invalid() -> None:
    history = amended(fact_is("ann", DebtChanged, debt=0), payee=WALLET["dan"])
    assert f"was signed to {WALLET['dan']}, not to {WALLET['bob']}" in caught(history)["payee_has_earliest_claim"]


@pytest.mark.parametrize(
    ("dan", "right"),
    [
        ((1000, 1, 2), False),  # earlier by the clock
        ((1001, 0, 2), False),  # the same second, an earlier block
        ((1001, 1, 0), False),  # the same block, an earlier place
        ((1001, 1, 3), True),
        ((1001, 2, 0), True),
        ((1002, 0, 0), True),
    ],
)
def test_the_earliest_claim_is_the_one_to_pay(dan: tuple[int, int, int], right: bool) -> None:
    timestamp, block, index = dan
    found = caught(
        amended(fact_is("ann", ClaimJudged, sender=PEER["dan"]), timestamp=timestamp, block=block, index=index)
    )
    assert found.keys() == (set() if right else {"payee_has_earliest_claim"})


def test_a_claim_judged_again_after_a_rollback_replaces_its_judgement() -> None:
    lost = judged("bob", "bob", "bob", Verdict.LATER, (1003, 3, 0))
    history = followed_by(fact_is("ann", ClaimJudged, sender=PEER["bob"]), lost)
    assert caught(history).keys() == {"payee_has_earliest_claim"}
    back = judged("bob", "bob", "bob", Verdict.WINNER, (1001, 1, 1))
    assert not caught(followed_by(lambda record: record.fact == lost, back, history=history))


def test_a_bad_proof_from_another_sender_does_not_displace_a_good_claim() -> None:
    spoiler = replace(judged("bob", "bob", "bob", Verdict.REJECTED, (1001, 1, 1)), sender=PEER["dan"])
    assert not caught(followed_by(fact_is("ann", ClaimJudged, verdict=Verdict.LATER), spoiler))


def test_a_claim_learnt_after_signing_changes_nothing() -> None:
    assert not caught(followed_by(ANN_SIGNED, judged("eve", "bob", "eve", Verdict.WINNER, (1, 1, 1))))


def test_a_payment_signed_before_any_claim_is_known_is_invalid() -> None:
    found = caught(without(fact_is("bob", ClaimJudged)))
    assert found == {"payee_has_earliest_claim": f"invalid: debt 0 of bob was signed to {WALLET['ann']}, not to None"}


def test_a_payment_signed_to_nobody_is_invalid() -> None:
    found = caught(amended(fact_is("bob", DebtChanged), payee=None, history=without(fact_is("bob", ClaimJudged))))
    assert "was signed to None, not to None" in found["payee_has_earliest_claim"]


def test_a_claim_without_a_rank_that_was_not_rejected_cannot_be_judged() -> None:
    found = caught(amended(fact_is("ann", ClaimJudged, sender=PEER["dan"]), timestamp=None))
    assert found["payee_has_earliest_claim"].startswith("unknown: TypeError")


def test_a_payment_that_was_never_signed_is_invalid() -> None:
    found = caught(without(ANN_SIGNED))
    assert "debt 0 of ann is sent" in found["payee_has_earliest_claim"]


def test_a_replacement_must_keep_the_payee() -> None:
    second = fact_is("bob", DebtChanged, state=DebtState.SIGNED, tx=BOB_PAYS.tx)
    assert caught(amended(second, payee=WALLET["dan"])).keys() == {"payee_has_earliest_claim"}


@pytest.mark.parametrize("wei", [ANN_PAYS.wei - 1, ANN_PAYS.wei + 1])
def test_a_payment_off_by_one_wei_is_invalid(wei: int) -> None:
    history = amended(fact_is("ann", DebtChanged, debt=0), history=transaction("0xann1", wei=Wei(wei)), wei=Wei(wei))
    found = caught(history)
    assert found["amounts_follow_reward_function"] == f"invalid: debt 0 of ann is for {wei} wei, not {ANN_PAYS.wei}"
    assert found.keys() == {"amounts_follow_reward_function", "wei_conserved"}


@pytest.mark.parametrize(
    ("function", "due"), [("flat", 55 * 10**15), ("error-reduction", 55 * 10**15 * 50 // 300), ("proportional", None)]
)
def test_each_reward_function_is_worked_out_again(function: str, due: int | None) -> None:
    found = caught(reward(function=function))
    assert (
        f"debt 0 of ann is for {ANN_OWES.wei} wei, not {due}" in found.get("amounts_follow_reward_function", "")
    ) is bool(due)


@pytest.mark.parametrize(("bounds", "raised"), [({}, 1.075), ({"highest": Decimal("1.01")}, 1.01)])
def test_a_factor_that_adapts_is_worked_out_from_all_attempts(bounds: dict[str, Decimal], raised: float) -> None:
    """Bob's first attempt failed, so he pays more; ann had adopted an average, so that she pays 57.5 % for the next."""
    found = caught(reward(adapt=Decimal("0.5"), **bounds))["amounts_follow_reward_function"]
    assert f"debt 0 of bob is for {1650 * 10**12} wei, not {round(1650 * raised * 10**12)}" in found
    assert f"debt 1 of ann is for {550 * 10**12} wei, not {31625 * 10**10}" in found


def test_an_unknown_reward_function_leaves_payments_unknown() -> None:
    assert caught(reward(function="generous")) == {
        "amounts_follow_reward_function": "unknown: InputError: there is no plug-in generous in rewards: there are "
        "proportional, flat, error-reduction"
    }


def test_spending_more_than_the_cap_is_invalid() -> None:
    found = caught(reward(cap=Decimal("0.00275")))
    assert not found
    found = caught(reward(cap=Decimal("0.002")))
    assert found == {"spending_cap_respected": f"invalid: ann signed {ANN_PAYS.wei} wei, above the cap of {2 * 10**15}"}


def test_money_for_a_model_that_reaches_another_wallet_than_its_creators_is_invalid_where_claims_are_proven() -> None:
    began = next(fact for _, fact in GOOD.facts(SessionBegan))
    swapped = {"ann": WALLET["bob"], "bob": WALLET["ann"]}
    roster = tuple(replace(entry, wallet=swapped.get(entry.name, entry.wallet)) for entry in began.roster)
    assert "only_creators_are_paid" in caught(amended(fact_is("swarm", SessionBegan), roster=roster))
    paper = amended(
        fact_is("swarm", SessionBegan), roster=roster, session=replace(SETTINGS, identity=IdentityRule.PAPER)
    )
    assert "only_creators_are_paid" not in caught(paper)


def test_a_refuser_that_pays_is_invalid() -> None:
    last = fact_is("cat", DebtChanged, state=DebtState.DECLINED)
    assert caught(amended(last, state=DebtState.UNCLAIMED)).keys() == {"refusers_pay_nothing"}
    assert caught(amended(last, tx=TxHash("0xcat"))).keys() == {"refusers_pay_nothing"}
