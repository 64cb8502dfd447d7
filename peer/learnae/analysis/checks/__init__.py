"""What must hold in every session, recomputed from its history and the chain's export.  Pure.

A check finds violations.  None: valid.  Some: invalid.  If it cannot be carried through: unknown, never valid.  The
worst result is the verdict.  Nothing here imports the code it judges: rewards, the directory's winner, the debts and
the ledger are worked out again, from the paper (section 3) and from what the peers said and the chain holds.

What no check can know: whether the accuracies that peers reported are true.
"""

from typing import Any

from learnae.analysis.checks import chain, debts, faults, work
from learnae.analysis.checks.result import Check, CheckOutcome
from learnae.analysis.checks.summary import summary
from learnae.records.history import History

CHECKS: dict[str, Check] = {
    "chain_sound": chain.chain_sound,
    "wei_conserved": chain.wei_conserved,
    "settled_once": chain.settled_once,
    "chain_matches_debts": chain.chain_matches_debts,
    "signed_on_one_chain": debts.signed_on_one_chain,
    "debts_terminal": debts.debts_terminal,
    "adoption_owes": debts.adoption_owes,
    "payee_right": debts.payee_right,
    "only_owners_are_paid": debts.only_owners_are_paid,
    "payment_exact": debts.payment_exact,
    "cap_respected": debts.cap_respected,
    "refusers_pay_nothing": debts.refusers_pay_nothing,
    "validation_never_falls": work.validation_never_falls,
    "averaging_of_published": work.averaging_of_published,
    "never_own_model": work.never_own_model,
    "everyone_accounted": work.everyone_accounted,
    "faults_happened": faults.faults_happened,
    "recovered": faults.recovered,
}


def verdict(history: History) -> dict[str, Any]:
    """All checks, the worst of their results, and the summary.  The caller adds ``wall_seconds`` to the summary."""
    results = {name: check(history) for name, check in CHECKS.items()}
    worst = max((each.result for each in results.values()), key=list(CheckOutcome).index)
    return {
        "verdict": worst.value,
        "ended_by": history.ended_by or "unknown",
        "checks": {name: {"result": each.result.value, "reason": each.reason} for name, each in results.items()},
        "unproven": chain.unproven(history),
        "summary": summary(history),
    }


def exit_code(verdict: dict[str, Any]) -> int:
    return 0 if verdict["verdict"] == CheckOutcome.VALID else 1
