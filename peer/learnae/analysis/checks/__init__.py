"""Checks that must pass in every session, recomputed from its history and the chain's export.  Pure.

A check searches for violations: none is valid, some is invalid; a check that cannot finish is unknown, never valid.
The worst result is the verdict.  The checks do not import the code that they judge: rewards, winners of the directory,
debts and ledger are computed again, from the paper (section 3), the recorded facts and the chain.

No check can know whether the accuracies that peers reported are true.
"""

from typing import Any

from learnae.analysis.checks import (
    amounts,
    books,
    chain,
    debts,
    defence,
    faults,
    fee_pool,
    readings,
    records,
    row_debts,
    work,
)
from learnae.analysis.checks.result import Check, CheckOutcome
from learnae.analysis.checks.summary import summary
from learnae.records.history import History

CHECKS: dict[str, Check] = {
    "records_in_order": records.records_in_order,
    "roles_match_settings": records.roles_match_settings,
    "attempts_are_recorded": records.attempts_are_recorded,
    "tested_models_exist": records.tested_models_exist,
    "blocks_and_nonces_consecutive": chain.blocks_and_nonces_consecutive,
    "wei_conserved": chain.wei_conserved,
    "debts_paid_once": chain.debts_paid_once,
    "payments_match_debts": chain.payments_match_debts,
    "gas_within_limits": chain.gas_within_limits,
    "debts_signed_on_one_chain": debts.debts_signed_on_one_chain,
    "no_debt_left_open": debts.no_debt_left_open,
    "adoptions_create_debts": debts.adoptions_create_debts,
    "payee_has_earliest_claim": debts.payee_has_earliest_claim,
    "only_creators_are_paid": debts.only_creators_are_paid,
    "amounts_follow_reward_function": amounts.amounts_follow_reward_function,
    "parents_get_their_parts": amounts.parents_get_their_parts,
    "row_debts_are_exact": row_debts.row_debts_are_exact,
    "plugins_did_not_raise": debts.plugins_did_not_raise,
    "batches_are_due": debts.batches_are_due,
    "spending_cap_respected": debts.spending_cap_respected,
    "refusers_pay_nothing": debts.refusers_pay_nothing,
    "announced_parents_are_true": defence.announced_parents_are_true,
    "denials_are_deserved": defence.denials_are_deserved,
    "refused_models_are_similar": defence.refused_models_are_similar,
    "denied_peers_earn_nothing": defence.denied_peers_earn_nothing,
    "sealed_models_are_read_by_their_readers": defence.sealed_models_are_read_by_their_readers,
    "pool_follows_its_rules": fee_pool.pool_follows_its_rules,
    "reports_follow_debts": fee_pool.reports_follow_debts,
    "reports_omit_no_debt": fee_pool.reports_omit_no_debt,
    "fees_are_split": fee_pool.fees_are_split,
    "models_have_stakes": fee_pool.models_have_stakes,
    "books_follow_payments": books.books_follow_payments,
    "absent_peers_do_not_work": books.absent_peers_do_not_work,
    "adopted_only_if_better": work.adopted_only_if_better,
    "averaged_models_were_published": work.averaged_models_were_published,
    "own_models_not_averaged": work.own_models_not_averaged,
    "training_did_not_diverge": work.training_did_not_diverge,
    "private_rows_stay_private": work.private_rows_stay_private,
    "trained_rows_were_announced": work.trained_rows_were_announced,
    "sensors_published": readings.sensors_published,
    "readings_are_trained_on": readings.readings_are_trained_on,
    "every_peer_finished": work.every_peer_finished,
    "faults_happened": faults.faults_happened,
    "recovered": faults.recovered,
}


def verdict(history: History) -> dict[str, Any]:
    """The results of all checks, the worst of them, and the summary, to which the caller adds ``wall_seconds``."""
    results = {name: check(history) for name, check in CHECKS.items()}
    worst = max((outcome.result for outcome in results.values()), key=list(CheckOutcome).index)
    return {
        "verdict": worst.value,
        "ended_by": history.ended_by or "unknown",
        "checks": {
            name: {"result": outcome.result.value, "reason": outcome.reason} for name, outcome in results.items()
        },
        "unproven": chain.unproven(history),
        "notices": [
            *work.learned_nothing(history),
            *work.nobody_averaged(history),
            *readings.trained_readings(history),
        ],
        "summary": summary(history),
    }


def exit_code(verdict: dict[str, Any]) -> int:
    return 0 if verdict["verdict"] == CheckOutcome.VALID else 1
