"""The identity machine of a peer (section 3.2): it deploys the peer's own contract, proves it and keeps it.

Only the newest deployment counts.  After a rollback the deployment may be lost, or mined as another version of its
transaction; then the claim is signed again.
"""

from functools import partial

from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import IdentityChanged, IdentityState
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.transactions import OutgoingTransaction, Transactions, TxState
from learnae.protocol.transitions import IDENTITY
from learnae.protocol.types import Address, Claim, Poid, Timer, TxHash

RETRY_POLLS = 10  # polls until a failed deployment is tried again


class Registration:
    def __init__(self, config: PeerConfig, requests: Requests, transactions: Transactions) -> None:
        self._config, self._requests = config, requests
        self._transactions = transactions
        self.identity = IdentityState.NONE
        self.claim: Claim | None = None
        self.poid = Poid(config.claimed_peer, config.payout)
        self._not_before = 0.0  # s: of the next deployment

    @property
    def unfinished(self) -> bool:
        return self._config.wants_payment and self.identity is not IdentityState.REGISTERED

    @property
    def needs_deployment(self) -> bool:
        """Whether a deployment is to be signed."""
        return self.identity is IdentityState.DEPLOYING and self._deployment() is None

    def proceed(self) -> None:
        due = self._requests.now >= self._not_before
        if self._config.wants_payment and self.identity is IdentityState.NONE and due:
            self._change("deployment wanted")

    def sign_claim(self) -> None:
        if self.identity is IdentityState.DEPLOYING and not self._requests.waits_for(do.SignClaim):
            contract, _ = self._deployed()
            if contract:
                sign = partial(do.SignClaim, session=self._config.session, contract=contract, poid=self.poid)
                self._requests.issue(partial(sign, validation=self._config.validation.digest))

    def claim_signed(self, request: do.SignClaim, event: on.ClaimSigned) -> None:
        contract, tx = self._deployed()
        if tx and contract == request.contract and self.identity is IdentityState.DEPLOYING:
            self.claim = Claim(self.poid, contract, tx, request.validation, event.signature, event.sealing_key)
            self._change("claim signed")
            self._requests.set_timer(Timer.ANNOUNCE, 0.0)

    def announce(self) -> None:
        if self.claim:
            self._requests.emit(do.Announce(on.IdentityAnnouncement(self._config.session, self.claim)))

    def deployment_changed(self) -> None:
        """React to a new state of a deployment's transaction."""
        if self.claim and self._deployed() != (self.claim.contract, self.claim.deploy_tx):
            self._change("deployment lost")
        if self._deployment() is None:
            self.deployment_failed()

    def deployment_failed(self) -> None:
        # In another state a rollback has brought back an earlier deployment, or removed this one.
        if self.identity is IdentityState.DEPLOYING:
            self._not_before = self._requests.now + RETRY_POLLS * self._config.chain.poll
            self._change("deployment failed")

    def reset(self) -> None:
        """Begin again on another chain."""
        self._not_before = self._requests.now
        if self.identity is not IdentityState.NONE:
            self._change("chain replaced")

    # private

    def _deployment(self) -> OutgoingTransaction | None:
        """The newest deployment, unless it failed for good."""
        for transaction in reversed(self._transactions.by_nonce):
            if transaction.is_deployment:
                return None if transaction.failed and transaction.state is TxState.FINAL else transaction
        return None

    def _deployed(self) -> tuple[Address, TxHash] | tuple[None, None]:
        """The contract's address and the transaction that created it."""
        deployment = self._deployment()
        receipt = deployment.receipt if deployment and not deployment.failed else None
        return (receipt.contract, receipt.hash) if receipt and receipt.contract else (None, None)

    def _change(self, cause: str) -> None:
        self.identity = IDENTITY[self.identity, cause]
        if self.identity is not IdentityState.REGISTERED:
            self.claim = None
        contract, tx = (self.claim.contract, self.claim.deploy_tx) if self.claim else (None, None)
        self._requests.record(IdentityChanged(self.identity, contract, tx))
