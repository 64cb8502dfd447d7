"""What one peer signs, sends and pays on the chain.  Rules, in the order in which they matter:
1. Nonces are requested one at a time.  A nonce is spent once the signed transaction is in the journal, before sending.
2. The deployment comes first, then debts in their order, one or several per payment (``settlement.py``).  A debt is
   signed only while its creator's claim wins.
3. Open transactions are checked every ``poll`` seconds in one request.  A transaction that the chain has lost is sent
   again; one that it does not mine is signed again with the same nonce and a higher fee.
4. A chain that does not answer pauses payments and nothing else: the poll timer tries again.
5. Another genesis is another chain, on which nonces and claims start again.  Debts that were final on the old chain
   stay so; those signed but not final are given up, because they may have been paid there; the rest is owed as before.
"""

from typing import get_args

from learnae.errors import DOWN, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Head, PoolRead, SignPoolCall
from learnae.protocol.debts import UNSETTLED, Debts
from learnae.protocol.decisions import ChainEntered, DebtChanged, DebtState, RolledBack
from learnae.protocol.directory import ClaimReader
from learnae.protocol.fee_pool import FeePool
from learnae.protocol.hooks import Hooks
from learnae.protocol.registration import Registration
from learnae.protocol.requests import Requests
from learnae.protocol.reward import Rewards
from learnae.protocol.settings import PeerConfig
from learnae.protocol.settlement import due_payments
from learnae.protocol.transactions import OutgoingTransaction, Transactions
from learnae.protocol.types import Timer

OUT_OF_MONEY = (Reason.FUNDS, Reason.GAS_CAP)  # waiting does not help


class Payments:
    def __init__(self, config: PeerConfig, requests: Requests, hooks: Hooks) -> None:
        self._config, self._requests, self._hooks = config, requests, hooks
        self.claims = ClaimReader(config, requests)
        self.debts = Debts(config.reward.cap_wei, requests.record)
        self.rewards = Rewards(config, requests, self.debts, self.begin)
        self.transactions = Transactions(config.chain, requests, self._transaction_changed)
        self.registration = Registration(config, requests, self.transactions)
        self.pool = FeePool(config, requests, self.transactions, self.registration, self.claims, self.debts)
        self._genesis: str | None = None
        self._sign_from = 0.0  # s: no signing before, because the chain or the signer did not answer

    def begin(self, debt: DebtChanged) -> None:
        """Find out who is paid for a new debt, or decline it."""
        if self.debts.accept(debt, self._hooks.pays(debt)):
            self.debts.find_payee(debt.creator, self.claims.directory.payee(debt.creator))

    # answers

    def transaction_signed(self, request: do.Signing, event: on.TransactionSigned) -> None:
        if self._entered_chain(event.signed.genesis):
            return
        if not isinstance(request, do.SignDeployment) and request.attempt == 0 and not self._still_owed(request):
            return  # it is never sent, so its nonce is not spent
        self.transactions.add(event.signed, request)

    def receipts_read(self, event: on.ReceiptsRead) -> None:
        if self._entered_chain(event.head.genesis):
            return
        self.transactions.update(event.receipts, event.head)
        self.transactions.send_again()

    def claim_read(self, request: do.ReadClaim, event: on.ClaimRead) -> None:
        for judged in self.claims.claim_read(request, event):
            self.debts.find_payee(judged.poid.peer, self.claims.directory.payee(judged.poid.peer))

    def request_failed(self, request: do.ChainAction, reason: Reason) -> None:
        if reason in DOWN or (reason not in OUT_OF_MONEY and not isinstance(request, do.ReadClaim)):
            self._sign_from = self._requests.now + self._config.chain.poll
        match request:
            case do.SignPayment(attempt=0) if reason in OUT_OF_MONEY:  # the others may still be paid
                self.debts.decline(self.debts.by_number[request.debts[-1]], str(reason))
            case SignPoolCall(attempt=0) if reason in OUT_OF_MONEY:
                self.pool.give_up(request.call, str(reason))
            case do.SignDeployment(attempt=0):
                self.registration.deployment_failed()
            case do.SignPayment() | do.SignDeployment() | SignPoolCall() if request.attempt:
                self.transactions.send(self.transactions.by_nonce[request.nonce])  # its last version
            case do.SendTransaction() if reason not in DOWN:  # the node rejects it, perhaps because of its fee
                self.transactions.replace_if_late(self.transactions.by_nonce[request.signed.nonce])
            case do.ReadClaim():
                self.claims.read_failed(request, reason)
            # The next poll tries the others again.

    # chain and time

    def rolled_back(self, head: Head) -> None:
        """Check every transaction and every claim again; a state changes only if the chain's answer differs."""
        if not self._entered_chain(head.genesis):
            rechecked = self.transactions.mark_for_recheck() + self.claims.mark_for_recheck()
            self._requests.record(RolledBack(head.height, rechecked))
        self._requests.set_timer(Timer.CHAIN, 0.0)

    def pool_read(self, event: PoolRead) -> None:
        if not self._entered_chain(event.head.genesis):
            self.pool.read(event)

    def poll(self) -> None:
        self.claims.poll()
        self.pool.poll()
        self.transactions.poll()

    def proceed(self, finished: bool) -> None:
        """Begin what can begin now, and keep polling the chain while an answer is awaited.

        ``finished``: the peer has no work left at present, so that what it owes will not add up further.
        """
        unregistered = self.registration.unfinished
        if not self.debts.closed:
            if unregistered:
                self.registration.proceed()
            if self._requests.now >= self._sign_from:
                self._sign_next(finished)
                self.registration.sign_claim()
        if self._requests.due(Timer.CHAIN) is not None:
            return
        waits = self.transactions.open or self.claims.has_unread or self.debts.in_states(UNSETTLED)
        if waits or unregistered or self.pool.unfinished:
            self._requests.set_timer(Timer.CHAIN, self._config.chain.poll)

    def close(self) -> None:
        """Sign nothing new, because the session is over; signed transactions are followed while events arrive."""
        self.debts.close()

    # private

    def _sign_next(self, finished: bool) -> None:
        if self._requests.signing:
            return
        if self.registration.needs_deployment:
            self.transactions.sign_deployment(self.registration.poid)
            return
        payable = self.debts.payable(self.claims.directory.payee)
        if not self.pool.sign_next(finished) and payable:
            payable = self.debts.decline_above_cap(payable)
            if due := next(due_payments(payable, self._config.payment, finished), None):
                self.transactions.sign_payment(due, self.transactions.next_nonce)

    def _still_owed(self, request: do.SignPayment | SignPoolCall) -> bool:
        """Whether the session is not over, and no debt was declined or has another payee since."""
        payee, debts = self.claims.directory.payee, [self.debts.by_number[number] for number in request.debts]
        payable = all(debt.state is DebtState.PAYABLE and debt.payee == payee(debt.creator) for debt in debts)
        return payable and not self.debts.closed

    def _transaction_changed(self, transaction: OutgoingTransaction) -> None:
        """Propagate a transaction's state to its debts or deployment."""
        if transaction.is_deployment:
            self.registration.deployment_changed()
        else:
            self.debts.update(transaction)

    def _entered_chain(self, genesis: str) -> bool:
        """Whether this is another chain than before; if so, begin again on it."""
        before, self._genesis = self._genesis, genesis
        if before == genesis:
            return False
        if before is not None:
            self._leave_chain()
        self._requests.record(ChainEntered(genesis))
        return before is not None

    def _leave_chain(self) -> None:
        self.debts.leave_chain()
        self._requests.abandon_all(*get_args(do.ChainAction))
        for part in (self.transactions, self.claims, self.registration, self.pool):
            part.reset()
