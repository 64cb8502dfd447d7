"""The identity machine and the payments of one peer: everything that goes to the chain.

Rules, in the order in which they matter:
1. A nonce is asked for one at a time.  It is spent when the signed transaction is in the journal, before it is sent.
2. Deployment first, then debts in the order they were made.  A debt is signed only while its creator's claim wins.
3. Open transactions are looked at every ``poll`` seconds in one request.  What the chain forgot is sent again; what it
   does not mine is signed again with a higher fee and the same nonce.
4. A chain that does not answer pauses this machine and nothing else: the poll timer tries again.
5. Another genesis is another chain: nonces start anew, and what was signed and not final on the old one is given up,
   because it may have been mined there.
"""

from functools import partial
from typing import get_args

from learnae.core import actions as do
from learnae.core import events as on
from learnae.core.debts import Debts
from learnae.core.desk import Desk
from learnae.core.directory import Directory
from learnae.core.facts import DebtChanged, DebtState, Identity, IdentityChanged, RolledBack
from learnae.core.outbox import DEPLOYMENT, Outbox, Transaction, TxState
from learnae.core.reward import FUNCTIONS
from learnae.core.types import (
    Claim,
    Head,
    ModelRef,
    PeerConfig,
    PeerId,
    Poid,
    Policy,
    Reason,
    Score,
    Timer,
)

IDENTITY: dict[tuple[Identity, str], Identity] = {
    (Identity.NONE, "deployment wanted"): Identity.DEPLOYING,
    (Identity.DEPLOYING, "claim signed"): Identity.REGISTERED,
    (Identity.DEPLOYING, "deployment failed"): Identity.NONE,
    (Identity.REGISTERED, "deployment lost"): Identity.DEPLOYING,
    (Identity.DEPLOYING, "chain replaced"): Identity.NONE,
    (Identity.REGISTERED, "chain replaced"): Identity.NONE,
}

UNSETTLED = (DebtState.PAYABLE, DebtState.SIGNED, DebtState.SENT, DebtState.MINED)
READ_TRIES = 5  # a claim whose contract is not there after so many looks is rejected
CLAIMS_PER_SENDER = 3
MAX_FORMS = 8  # fee replacements of one nonce; the last is sent on and on
DEPLOY_AGAIN = 10  # polls until a failed deployment is tried again
DOWN = (Reason.TIMEOUT, Reason.UNREACHABLE)


class Wallet:
    def __init__(self, config: PeerConfig, desk: Desk) -> None:
        self.config, self._desk = config, desk
        self.identity = Identity.NONE
        self.claim: Claim | None = None
        self.directory = Directory(config.identity)
        self.debts = Debts(config.cap)
        self.outbox = Outbox()
        self._poid = Poid(config.claims, config.wallet)
        self._genesis: str | None = None
        self._unread: list[tuple[PeerId, Claim, int]] = []  # claims to read again, and how often they were not found
        self._signs_from = 0.0  # nothing is signed before: the chain did not answer
        self._deploys_from = 0.0

    @property
    def settled(self) -> bool:
        """No debt that more time could settle: none to pay, none whose payee or payment is being looked up."""
        creditors = {debt.creator for debt in self.debts.of((DebtState.OWED,))}
        reading = [claim for _, claim, _ in self._unread] + [each.claim for each in self._desk.asked(do.ReadClaim)]
        in_doubt = self.outbox.doubted or any(claim.poid.peer in creditors for claim in reading)
        return not in_doubt and not self.debts.of(UNSETTLED)

    # what others do

    def owe(self, model: ModelRef, before: Score, after: Score) -> None:
        wei = FUNCTIONS[self.config.reward](before, after, self.config.factor)
        debt = self.debts.owe(model, before, after, wei)
        self._desk.record(debt)
        if self.config.policy is Policy.REFUSES_TO_PAY:
            self._desk.record(self.debts.decline(debt.debt, "policy"))
        elif wei <= 0:
            self._desk.record(self.debts.decline(debt.debt, "nothing to pay"))
        else:
            self._find_payee(model.creator)

    def screen(self, sender: PeerId, claim: Claim) -> Reason | None:
        """Why a claim is not worth an event."""
        reading = self._being_read(sender)
        entries = [entry for entry in self.directory.entries.values() if entry.sender == sender]
        same = next((entry for entry in entries if entry.claim == claim), None)
        if claim in reading or (same and same.reason is not Reason.NOT_FOUND):
            return Reason.REPEAT
        full = reading or (same is None and len(entries) >= CLAIMS_PER_SENDER)
        return Reason.FLOOD if full else None

    def heard(self, sender: PeerId, claim: Claim) -> None:
        """One that was not found gets another look whenever it is announced: a rollback may have been undone."""
        again = (sender, claim.contract) in self.directory.entries
        tries = READ_TRIES - 1 if again else 0
        self._desk.ask(lambda request: do.ReadClaim(request, self.config.session, sender, claim, tries))

    def forget(self, sender: PeerId) -> None:
        for judged in self.directory.forget(sender):
            self._desk.record(judged)

    # answers

    def transaction_signed(self, request: do.SignDeployment | do.SignPayment, event: on.TransactionSigned) -> None:
        purpose = request.debt if isinstance(request, do.SignPayment) else DEPLOYMENT
        if isinstance(request, do.SignPayment) and request.attempt == 0 and not self._still_owed(request):
            return  # never sent, so its nonce is not spent
        transaction = self.outbox.sign(event.signed, purpose, self._desk.now)
        self._follow(transaction)
        self._send(transaction)

    def transaction_sent(self, request: do.SendTransaction) -> None:
        transaction = self.outbox.transactions[request.signed.nonce]
        if transaction.state is TxState.SIGNED and transaction.newest == request.signed:
            transaction.state = TxState.SENT
            self._follow(transaction)

    def receipts_read(self, request: do.ReadReceipts, event: on.ReceiptsRead) -> None:
        if self._notice(event.head):
            return
        found = {hash: receipt for hash, receipt in zip(request.hashes, event.receipts, strict=True) if receipt}
        for transaction in self.outbox.read(found, event.head, self.config.confirmations):
            self._follow(transaction)
        for transaction in self.outbox.open():
            if transaction.state is TxState.SIGNED:
                self._send(transaction)
            elif transaction.state is TxState.SENT:
                self._replace_if_late(transaction)

    def claim_signed(self, request: do.SignClaim, event: on.ClaimSigned) -> None:
        mined = self._deployment()
        if mined and mined.receipt and self.identity is Identity.DEPLOYING:
            self.claim = Claim(self._poid, request.contract, mined.receipt.hash, event.signature)
            self._change("claim signed")
            self._desk.set_timer(Timer.ANNOUNCE, 0.0)

    def claim_read(self, request: do.ReadClaim, event: on.ClaimRead) -> None:
        for judged in self.directory.judge(request.sender, request.claim, event.facts):
            self._desk.record(judged)
            self._find_payee(judged.poid.peer)

    def failed(self, request: do.ChainAction, reason: Reason) -> None:
        if reason in DOWN:
            self._signs_from = self._desk.now + self.config.poll
        match request:
            case do.SignPayment(attempt=0):
                if reason not in DOWN:
                    self._desk.record(self.debts.decline(request.debt, str(reason)))
            case do.SignDeployment(attempt=0):
                self._deployment_failed()
            case do.SignPayment() | do.SignDeployment():  # no replacement: the last form is sent again
                self._send(self.outbox.transactions[request.nonce])
            case do.ReadClaim():
                self._unread_claim(request, reason)
            case _:
                pass  # the next poll tries again

    # the chain and its clock

    def rolled_back(self, head: Head) -> None:
        """Look at every transaction and every claim again; what is where it was stays as it is."""
        if not self._notice(head):
            claims = [(entry.sender, entry.claim, 0) for entry in self.directory.entries.values()]
            self._unread = claims + [each for each in self._unread if each not in claims]
            self._desk.record(RolledBack(head.height, self.outbox.doubt() + len(claims)))
        self._desk.set_timer(Timer.CHAIN, 0.0)

    def poll(self) -> None:
        unread, self._unread = self._unread, []
        for sender, claim, tries in unread:
            self._desk.ask(partial(do.ReadClaim, session=self.config.session, sender=sender, claim=claim, tries=tries))
        hashes = self.outbox.hashes()
        if hashes and not self._desk.waits_for(do.ReadReceipts):
            self._desk.ask(lambda request: do.ReadReceipts(request, hashes))

    def proceed(self) -> None:
        """Whatever can be begun now; and a look at the chain as long as there is something to look for."""
        if self.config.wants_payment and self.identity is Identity.NONE and self._desk.now >= self._deploys_from:
            self._change("deployment wanted")
        self._sign_next()
        self._sign_claim()
        waits = self.outbox.open() or self._unread or self.debts.of(UNSETTLED)
        if waits or (self.config.wants_payment and self.identity is not Identity.REGISTERED):
            if self._desk.due(Timer.CHAIN) is None:
                self._desk.set_timer(Timer.CHAIN, self.config.poll)

    def close(self) -> None:
        """The session is over."""
        for debt in self.debts.of((DebtState.OWED,)):
            self._desk.record(self.debts.unclaimed(debt.debt))
        for debt in self.debts.of((DebtState.PAYABLE,)):
            self._desk.record(self.debts.decline(debt.debt, "session over"))

    # in here

    def _sign_next(self) -> None:
        if self._desk.now < self._signs_from or self._desk.waits_for(do.SignDeployment, do.SignPayment):
            return
        nonce = len(self.outbox.transactions)
        if self.identity is Identity.DEPLOYING and not self._deployment():
            self._desk.ask(lambda request: do.SignDeployment(request, nonce, 0, self._poid))
            return
        for debt in self.debts.of((DebtState.PAYABLE,)):
            payee = self.directory.winner(debt.creator)
            if payee is None:
                self._desk.record(self.debts.reopen(debt.debt))
            elif not self.debts.within_cap(debt.wei):
                self._desk.record(self.debts.decline(debt.debt, "cap"))
            else:
                if payee != debt.payee:
                    self._desk.record(self.debts.payable(debt.debt, payee))
                self._ask_payment(self.debts.book[debt.debt], nonce, 0)
                return

    def _ask_payment(self, debt: DebtChanged, nonce: int, attempt: int) -> None:
        assert debt.payee
        pay = partial(do.SignPayment, debt=debt.debt, to=debt.payee, wei=debt.wei, cid=debt.cid)
        self._desk.ask(partial(pay, nonce=nonce, attempt=attempt))

    def _sign_claim(self) -> None:
        mined = self._deployment()
        if self.identity is not Identity.DEPLOYING or not mined or not mined.receipt or not mined.receipt.contract:
            return
        if not self._desk.waits_for(do.SignClaim) and self._desk.now >= self._signs_from:
            contract = mined.receipt.contract
            self._desk.ask(lambda request: do.SignClaim(request, self.config.session, contract, self._poid))

    def _still_owed(self, request: do.SignPayment) -> bool:
        debt = self.debts.book[request.debt]
        return debt.state is DebtState.PAYABLE and self.directory.winner(debt.creator) == request.to

    def _send(self, transaction: Transaction) -> None:
        if all(request.signed != transaction.newest for request in self._desk.asked(do.SendTransaction)):
            self._desk.ask(lambda request: do.SendTransaction(request, transaction.newest))

    def _replace_if_late(self, transaction: Transaction) -> None:
        if self._desk.now - transaction.since < self.config.resend_after:
            return
        if self._desk.waits_for(do.SignDeployment, do.SignPayment):
            return
        transaction.since, nonce, attempt = self._desk.now, transaction.nonce, len(transaction.forms)
        if attempt >= MAX_FORMS:
            self._send(transaction)
        elif transaction.purpose == DEPLOYMENT:
            self._desk.ask(lambda request: do.SignDeployment(request, nonce, attempt, self._poid))
        else:
            self._ask_payment(self.debts.book[transaction.purpose], nonce, attempt)

    def _follow(self, transaction: Transaction) -> None:
        """Carry what became of a transaction over to its purpose."""
        if transaction.purpose != DEPLOYMENT:
            before = self.debts.book[transaction.purpose]
            debt = self.debts.follow(transaction)
            if debt != before:
                self._desk.record(debt)
        elif transaction.receipt is None and self.identity is Identity.REGISTERED:
            self._change("deployment lost")
        elif transaction.receipt and not transaction.receipt.succeeded and transaction.state is TxState.FINAL:
            self._deployment_failed()

    def _deployment(self) -> Transaction | None:
        """The newest deployment, unless it failed."""
        for transaction in reversed(self.outbox.transactions):
            if transaction.purpose == DEPLOYMENT:
                failed = transaction.receipt is not None and not transaction.receipt.succeeded
                return None if failed and transaction.state is TxState.FINAL else transaction
        return None

    def _deployment_failed(self) -> None:
        self._deploys_from = self._desk.now + DEPLOY_AGAIN * self.config.poll
        self._change("deployment failed")

    def _change(self, cause: str) -> None:
        self.identity = IDENTITY[self.identity, cause]
        if self.identity is not Identity.REGISTERED:
            self.claim = None
        contract, tx = (self.claim.contract, self.claim.deploy_tx) if self.claim else (None, None)
        self._desk.record(IdentityChanged(self.identity, contract, tx))

    def _being_read(self, sender: PeerId) -> list[Claim]:
        waiting = [claim for other, claim, _ in self._unread if other == sender]
        return waiting + [request.claim for request in self._desk.asked(do.ReadClaim) if request.sender == sender]

    def _unread_claim(self, request: do.ReadClaim, reason: Reason) -> None:
        if reason in DOWN:
            self._unread.append((request.sender, request.claim, request.tries))
        elif reason is Reason.NOT_FOUND and request.tries + 1 < READ_TRIES:
            self._unread.append((request.sender, request.claim, request.tries + 1))
        else:
            for judged in self.directory.refuse(request.sender, request.claim, reason):
                self._desk.record(judged)

    def _find_payee(self, creator: PeerId) -> None:
        payee = self.directory.winner(creator)
        for debt in self.debts.owed_to(creator) if payee else []:
            assert payee
            self._desk.record(self.debts.payable(debt.debt, payee))

    def _notice(self, head: Head) -> bool:
        """Whether this is another chain than before; if so, begin anew on it."""
        before, self._genesis = self._genesis, head.genesis
        if before in (None, head.genesis):
            return False
        for debt in self.debts.of((DebtState.SIGNED, DebtState.SENT, DebtState.MINED)):
            self._desk.record(self.debts.decline(debt.debt, "chain replaced"))
        for debt in self.debts.of((DebtState.PAYABLE,)):
            self._desk.record(self.debts.reopen(debt.debt))
        self._desk.drop(*get_args(do.ChainAction))
        self.outbox, self.directory, self._unread = Outbox(), Directory(self.config.identity), []
        if self.identity is not Identity.NONE:
            self._change("chain replaced")
        self._deploys_from = self._desk.now
        return True
