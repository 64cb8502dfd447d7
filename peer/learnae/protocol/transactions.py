"""Signed transactions of one wallet on one chain, in nonce order.

Payments happen exactly once because (genesis hash, wallet, nonce) can be spent once: a nonce is given out once, to one
purpose; all its versions (a replacement has a higher fee) are kept; the newest is sent until one of them is mined.  The
next nonce is the number of transactions here, never the pending count of a node.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import get_args

from learnae.protocol import actions as do
from learnae.protocol.blockchain import Head, PoolCall, Receipt, Signed
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.requests import Requests
from learnae.protocol.types import Poid, TxHash, Wei

DEPLOYMENT = ()  # purpose of a deployment; the purpose of a payment or a report are the numbers of its debts


class TxState(StrEnum):
    SIGNED = "signed"  # to be sent (again)
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"


@dataclass(slots=True)
class OutgoingTransaction:
    nonce: int
    purpose: tuple[int, ...]
    versions: list[Signed] = field(default_factory=list)  # the first and its replacements
    state: TxState = TxState.SIGNED
    since: float = 0.0  # session seconds of the newest version
    receipt: Receipt | None = None
    needs_recheck: bool = False  # the chain rolled back since it was last asked
    call: PoolCall | None = None  # of the fee pool

    @property
    def is_deployment(self) -> bool:
        return self.purpose == DEPLOYMENT and self.call is None

    @property
    def newest(self) -> Signed:
        return self.versions[-1]

    @property
    def failed(self) -> bool:
        """It was mined and had no effect."""
        return self.receipt is not None and not self.receipt.succeeded


class Transactions:
    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.by_nonce: list[OutgoingTransaction] = []

    @property
    def next_nonce(self) -> int:
        return len(self.by_nonce)

    @property
    def signing(self) -> bool:
        return self._requests.waits_for(*get_args(do.Signing))

    # requests

    def sign_deployment(self, poid: Poid, nonce: int, attempt: int = 0) -> None:
        self._requests.issue(partial(do.SignDeployment, nonce=nonce, attempt=attempt, poid=poid))

    def sign_payment(self, debts: Sequence[DebtChanged], nonce: int, attempt: int = 0) -> None:
        """Debts to one payee."""
        payee, total = debts[0].payee, Wei(sum(debt.wei for debt in debts))
        assert payee
        numbers, cids = tuple(debt.debt for debt in debts), tuple(debt.cid for debt in debts)
        sign = partial(do.SignPayment, debts=numbers, to=payee, wei=total, cids=cids)
        self._requests.issue(partial(sign, nonce=nonce, attempt=attempt))

    def sign_call(self, call: PoolCall, debts: tuple[int, ...], nonce: int, attempt: int = 0) -> None:
        self._requests.issue(partial(do.SignPoolCall, call=call, debts=debts, nonce=nonce, attempt=attempt))

    def send(self, transaction: OutgoingTransaction) -> None:
        """Send the newest version, unless the transaction is mined or being sent."""
        sending = [request.signed for request in self._requests.open(do.SendTransaction)]
        if transaction.receipt is None and transaction.newest not in sending:
            self._requests.issue(partial(do.SendTransaction, signed=transaction.newest))

    def poll(self) -> None:
        """Ask the chain about all versions of all open transactions."""
        hashes = tuple(version.hash for transaction in self.open() for version in transaction.versions)
        if hashes and not self._requests.waits_for(do.ReadReceipts):
            self._requests.issue(partial(do.ReadReceipts, hashes=hashes))

    # states

    def add(self, signed: Signed, purpose: tuple[int, ...], call: PoolCall | None = None) -> OutgoingTransaction:
        """Enter a signed transaction, or one more version of it."""
        if signed.nonce == self.next_nonce:
            self.by_nonce.append(OutgoingTransaction(signed.nonce, purpose, call=call))
        transaction = self.by_nonce[signed.nonce]
        transaction.versions.append(signed)
        if transaction.receipt is None:  # otherwise an earlier version was mined while this one was signed
            transaction.state, transaction.since = TxState.SIGNED, self._requests.now
        return transaction

    def signed(self) -> tuple[Signed, ...]:
        """All versions of all transactions, in nonce order."""
        return tuple(version for transaction in self.by_nonce for version in transaction.versions)

    def open(self) -> list[OutgoingTransaction]:
        return [each for each in self.by_nonce if each.needs_recheck or each.state is not TxState.FINAL]

    @property
    def need_recheck(self) -> bool:
        """Whether the chain rolled back and has not been asked since."""
        return any(transaction.needs_recheck for transaction in self.by_nonce)

    def update(self, receipts: dict[TxHash, Receipt], head: Head, confirmations: int) -> Iterator[OutgoingTransaction]:
        """Apply the chain's answer; yield the transactions whose state or block changed."""
        for transaction in self.open():
            before = (transaction.state, transaction.receipt)
            transaction.needs_recheck = False
            mined = (receipts[version.hash] for version in transaction.versions if version.hash in receipts)
            transaction.receipt = next(mined, None)
            if transaction.receipt:
                final = head.height - transaction.receipt.block + 1 >= confirmations
                transaction.state = TxState.FINAL if final else TxState.MINED
            elif transaction.state is not TxState.SENT:
                transaction.state = TxState.SIGNED  # never sent, or lost by the chain: send it (again)
            if before != (transaction.state, transaction.receipt):
                yield transaction

    def mark_for_recheck(self) -> int:
        """Ask about all transactions again after a rollback, and send the unmined again; return their number."""
        for request in self._requests.open(do.SendTransaction) + self._requests.open(do.ReadReceipts):
            self._requests.abandon(request)  # the answer may be from before the rollback
        for transaction in self.by_nonce:
            transaction.needs_recheck = True
            if transaction.state is TxState.SENT:
                transaction.state = TxState.SIGNED
        return len(self.by_nonce)
