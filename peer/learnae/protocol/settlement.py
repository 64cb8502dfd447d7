"""Which debts a payment covers, and when it is due (``[payment]``).

Each model in a payment's calldata costs gas, but the payment itself costs far more, so payments of several debts to one
payee save most of the gas.
"""

from collections.abc import Iterator, Sequence

from learnae.protocol.decisions import DebtChanged
from learnae.protocol.settings import PaymentSettings, Settle
from learnae.protocol.types import Address

MAX_BATCH = 50  # debts that one payment covers: 1,800 bytes of calldata


def due_payments(
    payable: Sequence[DebtChanged], settings: PaymentSettings, finished: bool
) -> Iterator[list[DebtChanged]]:
    """The debts of each payment that is due, oldest first.  ``finished``: the payer has no work left at present."""
    if settings.settle is Settle.EACH:
        yield from ([debt] for debt in payable)
        return
    by_payee: dict[Address | None, list[DebtChanged]] = {}
    for debt in payable:
        by_payee.setdefault(debt.payee, []).append(debt)
    for debts in by_payee.values():
        batch = debts[:MAX_BATCH]
        if finished or len(batch) == MAX_BATCH or sum(debt.wei for debt in batch) >= settings.threshold_wei:
            yield batch
