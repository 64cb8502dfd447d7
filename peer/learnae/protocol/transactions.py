"""Signed transactions of one wallet on one chain, in nonce order.

Payments happen exactly once because (genesis hash, wallet, nonce) can be spent once: a nonce is given out once, to one
purpose; all its versions (a replacement has a higher fee) are kept; the newest is sent until one of them is mined.  The
next nonce is the number of transactions here, never the pending count of a node.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial

from learnae.protocol import actions as do
from learnae.protocol.blockchain import Head, PoolCall, Receipt, Signed, SignPoolCall
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.requests import Requests
from learnae.protocol.settings import ChainSettings
from learnae.protocol.types import Poid, Wei

MAX_VERSIONS = 8  # of one transaction; the last is sent again and again


class TxState(StrEnum):
    SIGNED = "signed"  # to be sent (again)
    SENT = "sent"
    MINED = "mined"
    FINAL = "final"


@dataclass(slots=True)
class OutgoingTransaction:
    request: do.Signing  # of its first version
    versions: list[Signed] = field(default_factory=list)  # the first and its replacements
    state: TxState = TxState.SIGNED
    since: float = 0.0  # session seconds of the newest version
    receipt: Receipt | None = None
    needs_recheck: bool = False  # the chain rolled back since it was last asked

    @property
    def nonce(self) -> int:
        return self.request.nonce

    @property
    def purpose(self) -> tuple[int, ...]:
        """The numbers of the debts that it covers."""
        return () if isinstance(self.request, do.SignDeployment) else self.request.debts

    @property
    def is_deployment(self) -> bool:
        return isinstance(self.request, do.SignDeployment)

    @property
    def call(self) -> PoolCall | None:
        return self.request.call if isinstance(self.request, SignPoolCall) else None

    @property
    def newest(self) -> Signed:
        return self.versions[-1]

    @property
    def failed(self) -> bool:
        """It was mined and had no effect."""
        return self.receipt is not None and not self.receipt.succeeded


class Transactions:
    """``changed`` gets each transaction whose state or block has changed."""

    def __init__(
        self, settings: ChainSettings, requests: Requests, changed: Callable[[OutgoingTransaction], None]
    ) -> None:
        self._settings, self._requests, self._changed = settings, requests, changed
        self.by_nonce: list[OutgoingTransaction] = []
        self.open: list[OutgoingTransaction] = []  # those that are not final, or must be checked again

    @property
    def next_nonce(self) -> int:
        return len(self.by_nonce)

    @property
    def signing(self) -> bool:
        return self._requests.signing

    # requests

    def sign_deployment(self, poid: Poid) -> None:
        self._requests.issue(partial(do.SignDeployment, nonce=self.next_nonce, attempt=0, poid=poid))

    def sign_payment(self, debts: Sequence[DebtChanged], nonce: int) -> None:
        """Debts to one payee."""
        payee, total = debts[0].payee, Wei(sum(debt.wei for debt in debts))
        assert payee
        numbers, cids = tuple(debt.debt for debt in debts), tuple(debt.cid for debt in debts)
        sign = partial(do.SignPayment, debts=numbers, to=payee, wei=total, cids=cids)
        self._requests.issue(partial(sign, nonce=nonce, attempt=0))

    def sign_call(self, call: PoolCall, debts: tuple[int, ...]) -> None:
        self._requests.issue(partial(SignPoolCall, call=call, debts=debts, nonce=self.next_nonce, attempt=0))

    def send(self, transaction: OutgoingTransaction) -> None:
        """Send the newest version, unless the transaction is mined or being sent."""
        sending = [request.signed for request in self._requests.open(do.SendTransaction)]
        if transaction.receipt is None and transaction.newest not in sending:
            self._requests.issue(partial(do.SendTransaction, signed=transaction.newest))

    def poll(self) -> None:
        """Ask the chain about all versions of all open transactions."""
        hashes = tuple(version.hash for transaction in self.open for version in transaction.versions)
        if hashes and not self._requests.waits_for(do.ReadReceipts):
            self._requests.issue(partial(do.ReadReceipts, hashes=hashes))

    def send_again(self) -> None:
        """Send what the chain has lost; replace what it does not mine."""
        for transaction in self.open:
            if transaction.state is TxState.SIGNED:
                self.send(transaction)
            elif transaction.state is TxState.SENT:
                self.replace_if_late(transaction)

    def replace_if_late(self, transaction: OutgoingTransaction) -> None:
        """Sign a transaction again, at a higher fee."""
        overdue = self._requests.now - transaction.since >= self._settings.resend_after
        if transaction.receipt or not overdue or self.signing:
            return
        transaction.since = self._requests.now
        attempt = len(transaction.versions)
        if attempt >= MAX_VERSIONS:
            self.send(transaction)
        else:
            self._requests.issue(lambda request: replace(transaction.request, request=request, attempt=attempt))

    # states

    def add(self, signed: Signed, request: do.Signing) -> None:
        """Enter a signed transaction, or one more version of it; send it."""
        if signed.nonce == self.next_nonce:
            self.by_nonce.append(OutgoingTransaction(request))
            self.open.append(self.by_nonce[-1])
        transaction = self.by_nonce[signed.nonce]
        transaction.versions.append(signed)
        if transaction.receipt is None:  # otherwise an earlier version was mined while this one was signed
            transaction.state, transaction.since = TxState.SIGNED, self._requests.now
        self._changed(transaction)
        self.send(transaction)

    def signed(self) -> tuple[Signed, ...]:
        """All versions of all transactions, in nonce order."""
        return tuple(version for transaction in self.by_nonce for version in transaction.versions)

    @property
    def need_recheck(self) -> bool:
        """Whether the chain rolled back and has not been asked since."""
        return any(transaction.needs_recheck for transaction in self.open)

    def sent(self, signed: Signed) -> None:
        """Note that a node has a transaction."""
        transaction = self.by_nonce[signed.nonce]
        if transaction.state is TxState.SIGNED and transaction.newest == signed:
            transaction.state, transaction.since = TxState.SENT, self._requests.now
            self._changed(transaction)

    def update(self, receipts: Iterable[Receipt | None], head: Head) -> None:
        """Apply the chain's answer."""
        by_hash = {receipt.hash: receipt for receipt in receipts if receipt}
        for transaction in self.open:
            before = (transaction.state, transaction.receipt)
            transaction.needs_recheck = False
            mined = (by_hash[version.hash] for version in transaction.versions if version.hash in by_hash)
            transaction.receipt = next(mined, None)
            if transaction.receipt:
                final = head.height - transaction.receipt.block + 1 >= self._settings.confirmations
                transaction.state = TxState.FINAL if final else TxState.MINED
            elif transaction.state is not TxState.SENT:
                transaction.state = TxState.SIGNED  # never sent, or lost by the chain: send it (again)
            if before != (transaction.state, transaction.receipt):
                self._changed(transaction)
        self.open = [transaction for transaction in self.open if transaction.state is not TxState.FINAL]

    def mark_for_recheck(self) -> int:
        """Ask about all transactions again after a rollback, and send the unmined again; return their number."""
        self._requests.abandon_all(do.SendTransaction, do.ReadReceipts)  # the answer may be from before the rollback
        for transaction in self.by_nonce:
            transaction.needs_recheck = True
            if transaction.state is TxState.SENT:
                transaction.state = TxState.SIGNED
        self.open = list(self.by_nonce)
        return len(self.open)

    def reset(self) -> None:
        """Begin again on another chain."""
        self.by_nonce, self.open = [], []
