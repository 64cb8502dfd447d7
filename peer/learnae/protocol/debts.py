"""What a peer owes for its successful averagings (section 3.1), one debt an adoption.

OWED -> PAYABLE -> SIGNED -> SENT -> MINED -> FINAL | refused | declined | unclaimed; the last four are terminal.
A rollback takes SENT, MINED and FINAL back to SIGNED: the same nonce is sent again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.transactions import OutgoingTransaction, TxState
from learnae.protocol.types import Address, ModelRef, PeerId, Score, Wei

STATES = {
    TxState.SIGNED: DebtState.SIGNED,
    TxState.SENT: DebtState.SENT,
    TxState.MINED: DebtState.MINED,
    TxState.FINAL: DebtState.FINAL,
}
# Refused ones count: after a rollback the same transaction may pay.
SPENT = (*STATES.values(), DebtState.REFUSED)


@dataclass(slots=True)
class Debts:
    cap: Wei
    book: list[DebtChanged] = field(default_factory=list)  # by debt number, as they stand

    def owe(self, model: ModelRef, before: Score, after: Score, wei: Wei) -> DebtChanged:
        debt = DebtChanged(len(self.book), model.creator, model.weights.cid, before, after, wei, DebtState.OWED)
        self.book.append(debt)
        return debt

    def payable(self, debt: int, payee: Address) -> DebtChanged:
        return self._change(debt, state=DebtState.PAYABLE, payee=payee)

    def decline(self, debt: int, reason: str) -> DebtChanged:
        return self._change(debt, state=DebtState.DECLINED, reason=reason)

    def unclaimed(self, debt: int) -> DebtChanged:
        return self._change(debt, state=DebtState.UNCLAIMED, reason="the creator proved no identity")

    def reopen(self, debt: int) -> DebtChanged:
        """Its payee is in doubt."""
        return self._change(debt, state=DebtState.OWED, payee=None)

    def follow(self, transaction: OutgoingTransaction) -> DebtChanged:
        """Take over what became of the debt's transaction."""
        receipt = transaction.receipt
        refused = transaction.failed and transaction.state is TxState.FINAL
        return self._change(
            transaction.purpose,
            state=DebtState.REFUSED if refused else STATES[transaction.state],
            nonce=transaction.nonce,
            tx=receipt.hash if receipt else transaction.newest.hash,
            block=receipt.block if receipt else None,
            reason="the payee's account reverted" if refused else None,
        )

    def within_cap(self, wei: Wei) -> bool:
        """The cap is on what is paid for models: gas is the chain's affair, which nothing here knows."""
        return sum(debt.wei for debt in self.of(SPENT)) + wei <= self.cap

    def of(self, states: Iterable[DebtState]) -> list[DebtChanged]:
        return [debt for debt in self.book if debt.state in states]

    def owed_to(self, creator: PeerId) -> list[DebtChanged]:
        return [debt for debt in self.of((DebtState.OWED,)) if debt.creator == creator]

    def _change(self, debt: int, **fields: object) -> DebtChanged:
        self.book[debt] = changed = replace(self.book[debt], **fields)  # type: ignore[arg-type]
        return changed
