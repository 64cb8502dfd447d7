"""When a peer begins to train (``[start]``): once the chain has enough identities, or the time is up."""

from learnae.protocol.decisions import IdentityState, WorkBegan
from learnae.protocol.payments import Payments
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.training import Training


class Start:
    def __init__(self, config: PeerConfig, requests: Requests, training: Training, payments: Payments) -> None:
        self._config, self._requests, self._training, self._payments = config, requests, training, payments

    def proceed(self, timed_out: bool = False) -> None:
        if not self._training.begun:
            identities = self._identities()
            if timed_out or identities >= self._config.expected_identities:
                self._training.begun = True
                self._requests.record(WorkBegan(identities, timed_out))

    def _identities(self) -> int:
        """Number of IPFS ids to which the chain has an admitted claim, the peer's own included.

        If stakes are required, others count once they have theirs: before, there would be nothing to average with.
        """
        registration, own = self._payments.registration, self._config.peer
        claimed = set(filter(self._payments.pool.accepts, self._payments.claims.directory.claimed))
        registered = registration.identity is IdentityState.REGISTERED and registration.poid.peer == own
        return len(claimed) + (registered and own not in claimed)
