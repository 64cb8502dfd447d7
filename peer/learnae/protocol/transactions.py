"""Signed transactions of one wallet on one chain, in nonce order.

Exactly once hangs on (genesis hash, wallet, nonce): a nonce is given out once, to one purpose; every signed form of it
is kept; the newest is sent until one of them is mined.  The next nonce is the number of transactions here, never the
node's pending count.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from learnae.protocol.types import Head, Receipt, Signed, TxHash

DEPLOYMENT = -1  # purpose of the transaction that is no payment; payments have the number of their debt


class TxState(StrEnum):
    SIGNED = "signed"  # to be sent (again)
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"


@dataclass(slots=True)
class OutgoingTransaction:
    nonce: int
    purpose: int
    forms: list[Signed] = field(default_factory=list)  # the first and its replacements
    state: TxState = TxState.SIGNED
    since: float = 0.0  # session seconds of the newest form
    receipt: Receipt | None = None
    doubted: bool = False  # the chain went back since it was last looked at

    @property
    def newest(self) -> Signed:
        return self.forms[-1]

    @property
    def failed(self) -> bool:
        """It was mined and had no effect."""
        return self.receipt is not None and not self.receipt.succeeded


@dataclass(slots=True)
class Transactions:
    transactions: list[OutgoingTransaction] = field(default_factory=list)

    def sign(self, signed: Signed, purpose: int, now: float) -> OutgoingTransaction:
        """Enter a signed transaction, or one more form of it."""
        if signed.nonce == len(self.transactions):
            self.transactions.append(OutgoingTransaction(signed.nonce, purpose))
        transaction = self.transactions[signed.nonce]
        transaction.forms.append(signed)
        if transaction.receipt is None:  # else an earlier form was mined while this one was signed
            transaction.state, transaction.since = TxState.SIGNED, now
        return transaction

    def signed(self) -> tuple[Signed, ...]:
        """All forms of all transactions, in nonce order."""
        return tuple(form for each in self.transactions for form in each.forms)

    def open(self) -> list[OutgoingTransaction]:
        return [each for each in self.transactions if each.doubted or each.state is not TxState.FINAL]

    @property
    def doubted(self) -> bool:
        """Whether the chain went back and has not been asked since."""
        return any(each.doubted for each in self.transactions)

    def hashes(self) -> tuple[TxHash, ...]:
        """What to ask the chain about: every form of every open transaction."""
        return tuple(form.hash for each in self.open() for form in each.forms)

    def read(self, receipts: dict[TxHash, Receipt], head: Head, confirmations: int) -> Iterator[OutgoingTransaction]:
        """Take the chain's answer; yields the transactions whose state or block changed."""
        for each in self.open():
            before = (each.state, each.receipt)
            each.doubted = False
            each.receipt = next((receipts[form.hash] for form in each.forms if form.hash in receipts), None)
            if each.receipt:
                final = head.height - each.receipt.block + 1 >= confirmations
                each.state = TxState.FINAL if final else TxState.MINED
            elif each.state is not TxState.SENT:
                each.state = TxState.SIGNED  # never sent, or the chain forgot it: send it (again)
            if before != (each.state, each.receipt):
                yield each

    def doubt(self) -> int:
        """The chain went back: ask about everything again, send again what was only sent.  How many."""
        for each in self.transactions:
            each.doubted = True
            if each.state is TxState.SENT:
                each.state = TxState.SIGNED
        return len(self.transactions)
