"""The wallet of one peer: what it signs and sends, and the debts it pays.

``identity`` is its own contract, ``claims`` are the others', ``outbox`` holds every transaction of both kinds.

Rules, in the order in which they matter:
1. A nonce is asked for one at a time.  It is spent when the signed transaction is in the journal, before it is sent.
2. Deployment first, then debts in the order they were made.  A debt is signed only while its creator's claim wins.
3. Open transactions are looked at every ``poll`` seconds in one request.  What the chain forgot is sent again; what it
   does not mine is signed again with a higher fee and the same nonce.
4. A chain that does not answer pauses this and nothing else: the poll timer tries again.
5. Another genesis is another chain: nonces and claims start anew.  What was final on the old one is never signed again;
   what was signed and not final is given up, because it may have been mined there; the rest is owed as before.
"""

from functools import partial
from typing import get_args

from learnae.errors import DOWN, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.claims import Claims
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import ChainEntered, DebtChanged, DebtState, RolledBack
from learnae.protocol.registration import Registration
from learnae.protocol.requests import Requests
from learnae.protocol.reward import FUNCTIONS
from learnae.protocol.settings import PeerConfig
from learnae.protocol.transactions import DEPLOYMENT, OutgoingTransaction, Transactions, TxState
from learnae.protocol.types import Head, ModelRef, PeerId, Policy, Score, Timer

UNSETTLED = (DebtState.PAYABLE, DebtState.SIGNED, DebtState.SENT, DebtState.MINED)
MAX_FORMS = 8  # fee replacements of one nonce; the last is sent on and on


class Payments:
    def __init__(self, config: PeerConfig, requests: Requests) -> None:
        self.config, self._requests = config, requests
        self.claims = Claims(config, requests)
        self.debts = Debts(config.reward.cap_wei)
        self.outbox = Transactions()
        self.registration = Registration(config, requests, self.outbox)
        self._genesis: str | None = None
        self._signs_from = 0.0  # nothing is signed before: the chain or the signer did not answer
        self.closed = False

    @property
    def settled(self) -> bool:
        """No debt that more time could settle: none to pay, none whose payee or payment is being looked up."""
        creditors = {debt.creator for debt in self.debts.of((DebtState.OWED,))}
        looked_up = any(claim.poid.peer in creditors for _, claim in self.claims.being_read())
        in_doubt = self.outbox.doubted or looked_up
        return not in_doubt and not self.debts.of(UNSETTLED)

    # what others do

    def owe(self, model: ModelRef, before: Score, after: Score) -> None:
        wei = FUNCTIONS[self.config.reward.function](before, after, self.config.reward.factor_wei)
        debt = self.debts.owe(model, before, after, wei)
        self._requests.record(debt)
        if self.config.policy is Policy.REFUSES_TO_PAY:
            self._requests.record(self.debts.decline(debt.debt, "policy"))
        elif wei <= 0:
            self._requests.record(self.debts.decline(debt.debt, "nothing to pay"))
        elif self.closed:
            self._requests.record(self.debts.decline(debt.debt, "session over"))
        else:
            self._find_payee(model.creator)

    # answers

    def transaction_signed(self, request: do.SignDeployment | do.SignPayment, event: on.TransactionSigned) -> None:
        if self._notice(event.signed.genesis):
            return
        purpose = request.debt if isinstance(request, do.SignPayment) else DEPLOYMENT
        if isinstance(request, do.SignPayment) and request.attempt == 0 and not self._still_owed(request):
            return  # never sent, so its nonce is not spent
        transaction = self.outbox.sign(event.signed, purpose, self._requests.now)
        self._follow(transaction)
        self._send(transaction)

    def transaction_sent(self, request: do.SendTransaction) -> None:
        transaction = self.outbox.transactions[request.signed.nonce]
        if transaction.state is TxState.SIGNED and transaction.newest == request.signed:
            transaction.state, transaction.since = TxState.SENT, self._requests.now
            self._follow(transaction)

    def receipts_read(self, request: do.ReadReceipts, event: on.ReceiptsRead) -> None:
        if self._notice(event.head.genesis):
            return
        found = {hash: receipt for hash, receipt in zip(request.hashes, event.receipts, strict=True) if receipt}
        for transaction in self.outbox.read(found, event.head, self.config.chain.confirmations):
            self._follow(transaction)
        for transaction in self.outbox.open():
            if transaction.state is TxState.SIGNED:
                self._send(transaction)
            elif transaction.state is TxState.SENT:
                self._replace_if_late(transaction)

    def claim_read(self, request: do.ReadClaim, event: on.ClaimRead) -> None:
        for judged in self.claims.read(request, event):
            self._find_payee(judged.poid.peer)

    def failed(self, request: do.ChainAction, reason: Reason) -> None:
        if reason in DOWN or (reason is not Reason.FUNDS and not isinstance(request, do.ReadClaim)):
            self._signs_from = self._requests.now + self.config.chain.poll
        match request:
            case do.SignPayment(attempt=0):
                if reason is Reason.FUNDS:
                    self._requests.record(self.debts.decline(request.debt, str(reason)))
            case do.SignDeployment(attempt=0):
                self.registration.deployment_failed()
            case do.SignPayment() | do.SignDeployment():  # no replacement: the last form is sent again
                self._send(self.outbox.transactions[request.nonce])
            case do.SendTransaction() if reason not in DOWN:  # the node does not want it: perhaps for a higher fee
                self._replace_if_late(self.outbox.transactions[request.signed.nonce])
            case do.ReadClaim():
                self.claims.failed(request, reason)
            case _:
                pass  # the next poll tries again

    # the chain and its clock

    def rolled_back(self, head: Head) -> None:
        """Look at every transaction and every claim again; what is where it was stays as it is."""
        if not self._notice(head.genesis):
            for request in self._requests.asked(do.SendTransaction) + self._requests.asked(do.ReadReceipts):
                self._requests.drop(request)  # may have met the chain as it was
            self._requests.record(RolledBack(head.height, self.outbox.doubt() + self.claims.doubt()))
        self._requests.set_timer(Timer.CHAIN, 0.0)

    def poll(self) -> None:
        self.claims.poll()
        hashes = self.outbox.hashes()
        if hashes and not self._requests.waits_for(do.ReadReceipts):
            self._requests.ask(lambda request: do.ReadReceipts(request, hashes))

    def proceed(self) -> None:
        """Whatever can be begun now; and a look at the chain as long as there is something to look for."""
        if not self.closed:
            self.registration.proceed()
            if self._requests.now >= self._signs_from:
                self._sign_next()
                self.registration.sign_claim()
        waits = self.outbox.open() or self.claims.unread or self.debts.of(UNSETTLED)
        if waits or self.registration.unfinished:
            if self._requests.due(Timer.CHAIN) is None:
                self._requests.set_timer(Timer.CHAIN, self.config.chain.poll)

    def close(self) -> None:
        """The session is over: nothing new is signed; what was signed is seen through as long as there are events."""
        self.closed = True
        for debt in self.debts.of((DebtState.OWED,)):
            self._requests.record(self.debts.unclaimed(debt.debt))
        for debt in self.debts.of((DebtState.PAYABLE,)):
            self._requests.record(self.debts.decline(debt.debt, "session over"))

    # in here

    def _sign_next(self) -> None:
        if self._requests.waits_for(do.SignDeployment, do.SignPayment):
            return
        nonce = len(self.outbox.transactions)
        if self.registration.undeployed:
            self._ask_deployment(nonce, 0)
            return
        for debt in self.debts.of((DebtState.PAYABLE,)):
            payee = self.claims.winner(debt.creator)
            if payee is None:
                self._requests.record(self.debts.reopen(debt.debt))
            elif not self.debts.within_cap(debt.wei):
                self._requests.record(self.debts.decline(debt.debt, "cap"))
            else:
                if payee != debt.payee:
                    self._requests.record(self.debts.payable(debt.debt, payee))
                self._ask_payment(self.debts.book[debt.debt], nonce, 0)
                return

    def _ask_deployment(self, nonce: int, attempt: int) -> None:
        self._requests.ask(partial(do.SignDeployment, nonce=nonce, attempt=attempt, poid=self.registration.poid))

    def _ask_payment(self, debt: DebtChanged, nonce: int, attempt: int) -> None:
        assert debt.payee
        pay = partial(do.SignPayment, debt=debt.debt, to=debt.payee, wei=debt.wei, cid=debt.cid)
        self._requests.ask(partial(pay, nonce=nonce, attempt=attempt))

    def _still_owed(self, request: do.SignPayment) -> bool:
        debt = self.debts.book[request.debt]
        return debt.state is DebtState.PAYABLE and self.claims.winner(debt.creator) == request.to

    def _send(self, transaction: OutgoingTransaction) -> None:
        """Unless it is mined or being sent."""
        sending = [request.signed for request in self._requests.asked(do.SendTransaction)]
        if transaction.receipt is None and transaction.newest not in sending:
            self._requests.ask(lambda request: do.SendTransaction(request, transaction.newest))

    def _replace_if_late(self, transaction: OutgoingTransaction) -> None:
        overdue = (
            transaction.receipt is None and self._requests.now - transaction.since >= self.config.chain.resend_after
        )
        if not overdue or self._requests.waits_for(do.SignDeployment, do.SignPayment):
            return
        transaction.since, nonce, attempt = self._requests.now, transaction.nonce, len(transaction.forms)
        if attempt >= MAX_FORMS:
            self._send(transaction)
        elif transaction.purpose == DEPLOYMENT:
            self._ask_deployment(nonce, attempt)
        else:
            self._ask_payment(self.debts.book[transaction.purpose], nonce, attempt)

    def _follow(self, transaction: OutgoingTransaction) -> None:
        """Carry what became of a transaction over to its purpose."""
        if transaction.purpose == DEPLOYMENT:
            self.registration.follow()
            return
        before = self.debts.book[transaction.purpose]
        debt = self.debts.follow(transaction)
        if debt != before:
            self._requests.record(debt)

    def _find_payee(self, creator: PeerId) -> None:
        payee = self.claims.winner(creator)
        for debt in self.debts.owed_to(creator) if payee else []:
            assert payee
            self._requests.record(self.debts.payable(debt.debt, payee))

    def _notice(self, genesis: str) -> bool:
        """Whether this is another chain than before; if so, begin anew on it."""
        before, self._genesis = self._genesis, genesis
        if before == genesis:
            return False
        if before is not None:
            self._leave()
        self._requests.record(ChainEntered(genesis))
        return before is not None

    def _leave(self) -> None:
        for debt in self.debts.of((DebtState.SIGNED, DebtState.SENT, DebtState.MINED)):
            self._requests.record(self.debts.decline(debt.debt, "chain replaced"))
        for debt in self.debts.of((DebtState.PAYABLE,)):
            self._requests.record(self.debts.reopen(debt.debt))
        for request in self._requests.asked(*get_args(do.ChainAction)):
            self._requests.drop(request)
        self.outbox.transactions.clear()
        self.claims.start_anew()
        self.registration.start_anew()
