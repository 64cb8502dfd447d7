"""What a peer owes: one debt per adoption of an average (section 3.1), and its debts for parents (``lineage.py``) and
for rows (``row_rewards.py``).

OWED -> PAYABLE -> SIGNED -> SENT -> MINED -> FINAL | refused | declined | unclaimed; the last four are terminal.
A rollback takes SENT, MINED and FINAL back to SIGNED: the transaction is sent again with the same nonce.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import chain

from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.transactions import OutgoingTransaction, TxState
from learnae.protocol.types import Address, Cid, PeerId, Score, Wei

STATES = {
    TxState.SIGNED: DebtState.SIGNED,
    TxState.SENT: DebtState.SENT,
    TxState.MINED: DebtState.MINED,
    TxState.FINAL: DebtState.FINAL,
}
ON_CHAIN = (DebtState.SIGNED, DebtState.SENT, DebtState.MINED)
UNSETTLED = (DebtState.PAYABLE, *ON_CHAIN)
# Refused payments count: after a rollback the same transaction may pay.
SPENT = (*STATES.values(), DebtState.REFUSED)


@dataclass(slots=True)
class Debts:
    """All debts of a peer.  ``record`` gets a debt after each change."""

    cap: Wei
    record: Callable[[DebtChanged], None]
    by_number: list[DebtChanged] = field(default_factory=list)
    closed: bool = False  # the session is over
    _numbers: dict[DebtState, set[int]] = field(
        init=False, default_factory=lambda: {state: set() for state in DebtState}
    )

    def add(
        self,
        creator: PeerId,
        cid: Cid,
        before: Score,
        after: Score,
        wei: Wei,
        second: int,
        shares: int = 0,
        part_of: Cid | None = None,
    ) -> DebtChanged:
        number, state = len(self.by_number), DebtState.OWED
        debt = DebtChanged(
            number, creator, cid, before, after, wei, state, second=second, shares=shares, part_of=part_of
        )
        self.by_number.append(debt)
        return self._enter(debt)

    def accept(self, debt: DebtChanged, pays: bool) -> bool:
        """Whether a new debt is to be paid; else it is declined.  ``pays``: by the peer's policy."""
        reasons = {"policy": not pays, "nothing to pay": debt.wei <= 0, "session over": self.closed}
        declined = next((reason for reason, holds in reasons.items() if holds), None)
        if declined:
            self.decline(debt, declined)
        return declined is None

    def find_payee(self, creator: PeerId, payee: Address | None) -> None:
        """Make what is owed to a creator payable, if its wallet is known."""
        if payee:
            for debt in self.owed_to(creator):
                self.make_payable(debt, payee)

    def make_payable(self, debt: DebtChanged, payee: Address) -> DebtChanged:
        return self._change(debt, state=DebtState.PAYABLE, payee=payee)

    def decline(self, debt: DebtChanged, reason: str) -> None:
        self._change(debt, state=DebtState.DECLINED, reason=reason)

    def payable(self, payee_of: Callable[[PeerId], Address | None]) -> list[DebtChanged]:
        """Update the payees, because the claim that wins may have changed; return the debts that can be paid."""
        if not self._numbers[DebtState.PAYABLE]:  # the usual case, after every event
            return []
        for debt in self.in_states((DebtState.PAYABLE,)):
            payee = payee_of(debt.creator)
            if payee is None:
                self.reopen(debt)
            elif payee != debt.payee:
                self.make_payable(debt, payee)
        return self.in_states((DebtState.PAYABLE,))

    def close(self) -> None:
        """The session is over: give up what is not signed."""
        self.closed = True
        for debt in self.in_states((DebtState.OWED,)):
            self.give_up_unclaimed(debt)
        for debt in self.in_states((DebtState.PAYABLE,)):
            self.decline(debt, "session over")

    def leave_chain(self) -> None:
        """Give up what is signed and not final, because it may have been paid there."""
        for debt in self.in_states(ON_CHAIN):
            self.decline(debt, "chain replaced")
        for debt in self.in_states((DebtState.PAYABLE,)):
            self.reopen(debt)

    def give_up_unclaimed(self, debt: DebtChanged) -> None:
        self._change(debt, state=DebtState.UNCLAIMED, reason="the creator proved no identity")

    def reopen(self, debt: DebtChanged) -> None:
        """Wait for a payee again."""
        self._change(debt, state=DebtState.OWED, payee=None)

    def update(self, transaction: OutgoingTransaction) -> None:
        """Copy the state of a payment's transaction to its debts."""
        receipt = transaction.receipt
        refused = transaction.failed and transaction.state is TxState.FINAL
        for number in transaction.purpose:
            before = self.by_number[number]
            after = replace(
                before,
                state=DebtState.REFUSED if refused else STATES[transaction.state],
                nonce=transaction.nonce,
                tx=receipt.hash if receipt else transaction.newest.hash,
                block=receipt.block if receipt else None,
                reason="the payee's account reverted" if refused else None,
            )
            if after != before:
                self._enter(after)

    def decline_above_cap(self, debts: Iterable[DebtChanged]) -> list[DebtChanged]:
        """Decline the debts that exceed the cap and return the rest.  The cap does not include gas."""
        left, kept = self.cap - sum(debt.wei for debt in self.in_states(SPENT)), []
        for debt in debts:
            if debt.wei <= left:
                left -= debt.wei
                kept.append(debt)
            else:
                self.decline(debt, "cap")
        return kept

    def in_states(self, states: Collection[DebtState]) -> list[DebtChanged]:
        """By number."""
        if not any(map(self._numbers.get, states)):  # the usual case
            return []
        return [self.by_number[number] for number in sorted(chain(*map(self._numbers.__getitem__, states)))]

    def owed_to(self, creator: PeerId) -> list[DebtChanged]:
        return [debt for debt in self.in_states((DebtState.OWED,)) if debt.creator == creator]

    def _change(self, debt: DebtChanged, **fields: object) -> DebtChanged:
        return self._enter(replace(self.by_number[debt.debt], **fields))  # type: ignore[arg-type]

    def _enter(self, debt: DebtChanged) -> DebtChanged:
        self._numbers[self.by_number[debt.debt].state].discard(debt.debt)
        self._numbers[debt.state].add(debt.debt)
        self.by_number[debt.debt] = debt
        self.record(debt)
        return debt
