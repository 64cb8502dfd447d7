"""Ways to break the fee pool, in a peer and in the contract's model."""

from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.protocol_mutants import BASE, Mutant
from tests.helpers.swarms import groups

from learnae.adapters.memory_chain.fee_pool import MemoryFeePool
from learnae.protocol import fee_pool
from learnae.protocol.blockchain import PoolRead, Report, Withdrawal
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtState
from learnae.protocol.fee_pool import FeePool
from learnae.protocol.settlement import due_payments
from learnae.protocol.types import Wei

Patch = pytest.MonkeyPatch

PROFILED: dict[str, Any] = BASE | {"defence": {"kind": "profiles", "window": 60}}
SLOW = PROFILED | {"chain": {"block_time": 3.0}}
REFUSED = PROFILED | groups({"count": 4}, {"count": 1, "policy": "refuses-to-pay"})


def reports_half(patch: Patch) -> None:
    shares = fee_pool.shares
    patch.setattr(
        fee_pool, "shares", lambda debts, fee: tuple((payee, part // 2) for payee, part in shares(debts, fee))
    )


def reports_an_accomplice(patch: Patch) -> None:
    shares = fee_pool.shares

    def friendly(debts: Any, fee: Wei) -> Any:
        parts = shares(debts, fee)
        return tuple((parts[0][0], part) for _, part in parts[:1]) if parts else parts

    patch.setattr(fee_pool, "shares", friendly)


def reports_too_early(patch: Patch) -> None:
    """A report does not wait for the own deposit, so that the pool has no members yet."""
    read = FeePool.read

    def impatient(self: FeePool, event: PoolRead) -> None:
        read(self, event)
        if (
            self._last(Report) is None
            and not self._transactions.signing
            and self._config.wallet not in event.state.members
        ):
            self._report(event.state.members, self._config.defence.fee_wei)

    patch.setattr(FeePool, "read", impatient)


def omits_a_debt(patch: Patch) -> None:
    report = FeePool._report

    def less(self: FeePool, members: Any, fee: Wei) -> None:
        first = self._debts.in_states((DebtState.PAYABLE,))[:1]
        with pytest.MonkeyPatch.context() as inner:
            payable = self._debts.in_states((DebtState.PAYABLE,))[1:]
            inner.setattr(Debts, "in_states", lambda *_: payable)
            report(self, members, fee)
        assert all(debt.state is DebtState.PAYABLE for debt in first)

    patch.setattr(FeePool, "_report", less)


def denies_a_deposit(patch: Patch) -> None:
    report = FeePool._report
    patch.setattr(FeePool, "_report", lambda self, members, fee: report(self, members[1:], fee))


def forgets_to(kind: type) -> Any:
    def breaks(patch: Patch) -> None:
        sign = FeePool._sign
        skip = lambda self, call, debts=(): None if isinstance(call, kind) else sign(self, call, debts)  # noqa: E731
        patch.setattr(FeePool, "_sign", skip)

    return breaks


def pays_as_well(patch: Patch) -> None:
    """Every model is paid for, too, as without the defence."""
    sign_next = FeePool.sign_next

    def paying(self: FeePool, finished: bool) -> bool:
        payable = self._debts.in_states((DebtState.PAYABLE,))
        due = next(due_payments(payable, self._config.payment, finished), None)
        if due and not self._transactions.signing:
            self._transactions.sign_payment(due, self._transactions.next_nonce)
            return True
        return sign_next(self, finished)

    patch.setattr(FeePool, "sign_next", paying)


def pays_itself(patch: Patch) -> None:
    """The model of the contract gives what is left over back to who did not report it."""
    income = MemoryFeePool.income

    def refunding(self: MemoryFeePool, member: Any) -> Wei:
        return Wei(self.terms.fee if not self.reports.get(member) else income(self, member))

    patch.setattr(MemoryFeePool, "income", refunding)


def rounds_up(patch: Patch) -> None:
    income = MemoryFeePool.income
    patch.setattr(MemoryFeePool, "income", lambda self, member: Wei(income(self, member) + 1))


def closes_too_early(patch: Patch) -> None:
    state = MemoryFeePool.state
    patch.setattr(
        MemoryFeePool, "state", lambda self: replace(state(self), complete=len(self.reports) >= self.terms.places - 1)
    )


def pays_twice(patch: Patch) -> None:
    withdraw, sign = MemoryFeePool._withdraw, FeePool._sign_next

    def again(self: MemoryFeePool, sender: Any, now: int) -> Wei:
        self.withdrawn.discard(sender)
        return withdraw(self, sender, now)

    def twice(self: FeePool, finished: bool) -> None:
        sign(self, finished)
        calls = [each for each in self._transactions.by_nonce if isinstance(each.call, Withdrawal)]
        if len(calls) == 1 and not self._transactions.signing:
            self._sign(Withdrawal())

    patch.setattr(MemoryFeePool, "_withdraw", again)
    patch.setattr(FeePool, "_sign_next", twice)


MUTANTS = [
    Mutant("reports half", reports_half, {"reports_follow_debts"}, PROFILED),
    Mutant("reports an accomplice", reports_an_accomplice, {"reports_follow_debts"}, PROFILED),
    Mutant("reports before its deposit is mined", reports_too_early, {"reports_omit_no_debt"}, SLOW),
    Mutant("omits a debt", omits_a_debt, {"reports_omit_no_debt"}, PROFILED),
    Mutant("denies a deposit", denies_a_deposit, {"reports_omit_no_debt"}, PROFILED),
    Mutant("never reports", forgets_to(Report), {"fees_are_split"}, PROFILED),
    Mutant("pays for models as well", pays_as_well, {"fees_are_split"}, PROFILED),
    Mutant("pool refunds what is not reported", pays_itself, {"wei_conserved"}, REFUSED),
    Mutant("pool rounds up", rounds_up, {"wei_conserved"}, PROFILED),
    Mutant("pool closes too early", closes_too_early, {"pool_follows_its_rules", "wei_conserved"}, PROFILED),
    Mutant("pool pays twice", pays_twice, {"pool_follows_its_rules", "wei_conserved"}, PROFILED),
]
