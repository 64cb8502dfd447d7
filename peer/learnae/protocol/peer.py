"""One peer: events in, actions out.  Synchronous, total, deterministic.

Theory of operation.  A peer is two machines that never wait for each other.  The *work* machine (``worker.py``) trains,
averages and publishes; the *identity* machine (``identity.py``) deploys the peer's contract, in the hands of the wallet
(``wallet.py``), which reads the others' and pays what the work machine owes.  All write requests, timers and facts to
one ``Requests``; after every event each is asked to proceed.

1. ``handle`` raises ``DriverError`` and changes nothing if an event is one that no driver may report: time going back,
   a second ``Started``, an answer to no request or to another question.  Nothing a neighbour does can raise.
2. An answer to a request that is no longer open is ignored.
3. Every request may end in ``RequestFailed``.
4. The journal holds every event handled, in order; the same events give the same actions, so a journal is all the state
   there is.  ``outstanding`` is what a driver performs after a replay.
5. ``screen`` decides, before the journal, which gossip is worth an event.  It changes nothing.

    work      EMPTY --initial weights loaded--> IDLE          EMPTY --remote model adopted (no rows)--> IDLE
              IDLE --slice begun--> TRAINING --slice ended--> IDLE
              IDLE --attempt begun--> MERGING --attempt ended--> IDLE
              IDLE --patience spent | nothing untried--> DONE --new model heard--> IDLE
    identity  NONE --deployment wanted--> DEPLOYING --claim signed--> REGISTERED
              DEPLOYING --deployment failed--> NONE           REGISTERED --deployment lost--> DEPLOYING
              DEPLOYING | REGISTERED --chain replaced--> NONE

The literal tables are ``worker.WORK`` and ``identity.IDENTITY``; ``diagram.py`` draws them.
"""

import random
from typing import assert_never, get_args

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import IdentityState, WorkState
from learnae.protocol.payments import Payments
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.requests import Requests
from learnae.protocol.training import Training
from learnae.protocol.types import Announcement, IdentityAnnouncement, ModelAnnouncement, PeerConfig, PeerId, Timer

VERSION = 2  # of the core's behaviour: a journal of another version is not replayed
NEWCOMER = 1.0  # s after which a newcomer is told what it missed


class Peer:
    def __init__(self, config: PeerConfig, rng: random.Random) -> None:
        self.config = config
        self._desk = Requests()
        self.neighbours = PeerBook(config)
        self.wallet = Payments(config, self._desk)
        self.worker = Training(config, rng, self._desk, self.neighbours, self.wallet.owe)

    def handle(self, event: on.Event) -> list[do.Action]:
        self._desk.admit(event)
        if isinstance(event, on.Answer):
            request = self._desk.close(event)
            if request is None:
                return []
            self._answered(request, event)
        else:
            self._told(event)
        self._proceed()
        return self._desk.take()

    def outstanding(self) -> list[do.Action]:
        return self._desk.outstanding()

    def screen(self, sender: PeerId, announcement: Announcement, at: float) -> on.Event | Reason:
        """The event that an announcement is, or why it is dropped.  ``sender`` as verified by gossip."""
        if announcement.session != self.config.session:
            return Reason.SESSION
        if sender == self.config.peer:
            return Reason.REPEAT
        if not self.neighbours.admits(sender):
            return Reason.PEER_LIMIT
        match announcement:
            case ModelAnnouncement(model=model):
                if model.creator != sender:
                    return Reason.SENDER
                return self.neighbours.screen(model) or on.ModelHeard(at, announcement)
            case IdentityAnnouncement(claim=claim, addresses=addresses):
                reason = self.neighbours.screen_claim(sender) or self.wallet.claims.screen(sender, claim)
                return reason or on.ClaimHeard(at, sender, claim, addresses)
            case _:
                assert_never(announcement)

    @property
    def quiet(self) -> bool:
        """DONE, nothing under way, to publish or to settle: what lasts for ``linger`` ends a session."""
        busy = self._desk.waits_for(*get_args(do.TrainerAction), *get_args(do.StoreAction)) or self.worker.unpublished
        return self.worker.work is WorkState.DONE and not busy and self.wallet.settled

    # in here

    def _told(self, event: on.Told) -> None:
        match event:
            case on.Started():
                self.worker.start()
                self._desk.set_timer(Timer.ANNOUNCE, self.config.announce_every)
            case on.TimerFired(timer=timer):
                if self._desk.expire(timer):
                    self._fired(timer)
            case on.ModelHeard(announcement=announcement):
                self._meet(announcement.model.creator)
                self.worker.heard(announcement)
            case on.ClaimHeard(sender=sender, claim=claim):
                self._meet(sender)
                self.neighbours.known[sender].claims += 1
                self.wallet.claims.heard(sender, claim)
            case on.ChainRolledBack(head=head):
                self.wallet.rolled_back(head)
            case on.SessionClosed():
                self.wallet.close()
            case _:
                assert_never(event)

    def _answered(self, request: do.Request, event: on.Answer) -> None:
        match event, request:
            case on.ModelFetched(), do.FetchModel():
                self.worker.fetched(request)
            case on.ModelStored(), do.StoreModel():
                self.worker.stored(request)
            case on.ModelScored(), do.ScoreModel() | do.TrainSlice() | do.AverageModels():
                self.worker.scored(request, event)
            case on.ModelForged(), _:
                self.worker.forged(event)
            case on.TransactionSigned(), do.SignDeployment() | do.SignPayment():
                self.wallet.transaction_signed(request, event)
            case on.TransactionSent(), do.SendTransaction():
                self.wallet.transaction_sent(request)
            case on.ReceiptsRead(), do.ReadReceipts():
                self.wallet.receipts_read(request, event)
            case on.ClaimSigned(), do.SignClaim():
                self.wallet.registration.claim_signed(request, event)
            case on.ClaimRead(), do.ReadClaim():
                self.wallet.claim_read(request, event)
            case on.RequestFailed(reason=reason), _:
                if isinstance(request, do.TrainerAction | do.StoreAction):
                    self.worker.failed(request, reason)
                else:
                    self.wallet.failed(request, reason)
            case _:  # pragma: no cover
                raise AssertionError(event)  # the desk admits no answer of the wrong kind

    def _fired(self, timer: Timer) -> None:
        match timer:
            case Timer.START:
                self._begin(timed_out=True)
            case Timer.ANNOUNCE:
                self._announce()
            case Timer.CHAIN:
                self.wallet.poll()
            case Timer.WORK:
                pass  # proceeding is all it was set for
            case _:
                assert_never(timer)

    def _meet(self, peer: PeerId) -> None:
        """A newcomer has missed what was said before: say it again soon."""
        new, evicted = self.neighbours.meet(peer)
        if evicted:
            self.wallet.claims.forget(evicted)
        due = self._desk.due(Timer.ANNOUNCE)
        if new and (due is None or due > self._desk.now + NEWCOMER):
            self._desk.set_timer(Timer.ANNOUNCE, NEWCOMER)

    def _announce(self) -> None:
        """Idempotent state, repeated on a period."""
        claim = self.wallet.registration.claim
        if claim:
            self._desk.tell(do.Announce(IdentityAnnouncement(self.config.session, claim, self.config.addresses)))
        self.worker.announce()
        self._desk.set_timer(Timer.ANNOUNCE, self.config.announce_every)

    def _begin(self, timed_out: bool) -> None:
        if not self.worker.begun:
            self.worker.begin(self._heard(), timed_out)

    def _heard(self) -> int:
        return self.neighbours.identified() + (self.wallet.registration.identity is IdentityState.REGISTERED)

    def _proceed(self) -> None:
        if not self.wallet.closed:
            if not self.worker.begun and self._heard() >= self.config.start_peers:
                self._begin(timed_out=False)
            self.worker.proceed()
        self.wallet.proceed()
