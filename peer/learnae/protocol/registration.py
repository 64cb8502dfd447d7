"""The identity machine of one peer (section 3.2): its own contract, deployed, proven and kept.

Only the newest deployment counts.  A rollback may lose it, or have it mined by another form of its transaction: then
the claim is signed anew.
"""

from functools import partial

from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import IdentityChanged, IdentityState
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.transactions import DEPLOYMENT, OutgoingTransaction, Transactions, TxState
from learnae.protocol.types import Address, Claim, Poid, Timer, TxHash

IDENTITY: dict[tuple[IdentityState, str], IdentityState] = {
    (IdentityState.NONE, "deployment wanted"): IdentityState.DEPLOYING,
    (IdentityState.DEPLOYING, "claim signed"): IdentityState.REGISTERED,
    (IdentityState.DEPLOYING, "deployment failed"): IdentityState.NONE,
    (IdentityState.REGISTERED, "deployment lost"): IdentityState.DEPLOYING,
    (IdentityState.DEPLOYING, "chain replaced"): IdentityState.NONE,
    (IdentityState.REGISTERED, "chain replaced"): IdentityState.NONE,
}

DEPLOY_AGAIN = 10  # polls until a failed deployment is tried again


class Registration:
    def __init__(self, config: PeerConfig, requests: Requests, outbox: Transactions) -> None:
        self.config, self._requests, self._outbox = config, requests, outbox
        self.identity = IdentityState.NONE
        self.claim: Claim | None = None
        self.poid = Poid(config.claimed_peer, config.wallet)
        self._deploys_from = 0.0

    @property
    def unfinished(self) -> bool:
        return self.config.wants_payment and self.identity is not IdentityState.REGISTERED

    @property
    def undeployed(self) -> bool:
        """Whether a deployment is to be signed."""
        return self.identity is IdentityState.DEPLOYING and self._deployment() is None

    def proceed(self) -> None:
        due = self._requests.now >= self._deploys_from
        if self.config.wants_payment and self.identity is IdentityState.NONE and due:
            self._change("deployment wanted")

    def sign_claim(self) -> None:
        if self.identity is IdentityState.DEPLOYING and not self._requests.waits_for(do.SignClaim):
            contract, _ = self._deployed()
            if contract:
                sign = partial(do.SignClaim, session=self.config.session, contract=contract, poid=self.poid)
                self._requests.ask(sign)

    def claim_signed(self, request: do.SignClaim, event: on.ClaimSigned) -> None:
        contract, tx = self._deployed()
        if tx and contract == request.contract and self.identity is IdentityState.DEPLOYING:
            self.claim = Claim(self.poid, contract, tx, event.signature)
            self._change("claim signed")
            self._requests.set_timer(Timer.ANNOUNCE, 0.0)

    def follow(self) -> None:
        """The chain said something about a deployment."""
        if self.claim and self._deployed() != (self.claim.contract, self.claim.deploy_tx):
            self._change("deployment lost")
        if self._deployment() is None:
            self.deployment_failed()

    def deployment_failed(self) -> None:
        if (
            self.identity is IdentityState.DEPLOYING
        ):  # else a rollback brought another deployment back, or took this one
            self._deploys_from = self._requests.now + DEPLOY_AGAIN * self.config.chain.poll
            self._change("deployment failed")

    def start_anew(self) -> None:
        """This is another chain."""
        self._deploys_from = self._requests.now
        if self.identity is not IdentityState.NONE:
            self._change("chain replaced")

    # in here

    def _deployment(self) -> OutgoingTransaction | None:
        """The newest deployment, unless it failed for good."""
        for transaction in reversed(self._outbox.transactions):
            if transaction.purpose == DEPLOYMENT:
                return None if transaction.failed and transaction.state is TxState.FINAL else transaction
        return None

    def _deployed(self) -> tuple[Address, TxHash] | tuple[None, None]:
        """Where the contract is, and by which transaction."""
        deployment = self._deployment()
        receipt = deployment.receipt if deployment and not deployment.failed else None
        return (receipt.contract, receipt.hash) if receipt and receipt.contract else (None, None)

    def _change(self, cause: str) -> None:
        self.identity = IDENTITY[self.identity, cause]
        if self.identity is not IdentityState.REGISTERED:
            self.claim = None
        contract, tx = (self.claim.contract, self.claim.deploy_tx) if self.claim else (None, None)
        self._requests.record(IdentityChanged(self.identity, contract, tx))
