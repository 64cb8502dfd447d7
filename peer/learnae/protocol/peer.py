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
from learnae.protocol.settings import PeerConfig
from learnae.protocol.snapshot import PeerSnapshot
from learnae.protocol.training import Training
from learnae.protocol.types import Announcement, IdentityAnnouncement, ModelAnnouncement, PeerId, Timer

VERSION = 3  # of the core's behaviour: a journal of another version is not replayed
NEWCOMER = 1.0  # s after which a newcomer is told what it missed


class Peer:
    def __init__(self, config: PeerConfig, rng: random.Random) -> None:
        self._config = config
        self._requests = Requests()
        self._peer_book = PeerBook(config)
        self._payments = Payments(config, self._requests)
        self._training = Training(config, rng, self._requests, self._peer_book, self._payments.owe)

    def handle(self, event: on.Event) -> list[do.Action]:
        self._requests.admit(event)
        if isinstance(event, on.Answer):
            request = self._requests.close(event)
            if request is None:
                return []
            self._answered(request, event)
        else:
            self._told(event)
        self._proceed()
        return self._requests.take()

    def outstanding(self) -> list[do.Action]:
        return self._requests.outstanding()

    def screen(self, sender: PeerId, announcement: Announcement, at: float) -> on.Event | Reason:
        """The event that an announcement is, or why it is dropped.  ``sender`` as verified by gossip."""
        if announcement.session != self._config.session:
            return Reason.SESSION
        if sender == self._config.peer:
            return Reason.REPEAT
        if not self._peer_book.admits(sender):
            return Reason.PEER_LIMIT
        match announcement:
            case ModelAnnouncement(model=model):
                if model.creator != sender:
                    return Reason.SENDER
                return self._peer_book.screen(model) or on.ModelReceived(at, announcement)
            case IdentityAnnouncement(claim=claim, addresses=addresses):
                reason = self._peer_book.screen_claim(sender) or self._payments.claims.screen(sender, claim)
                return reason or on.ClaimReceived(at, sender, claim, addresses)
            case _:
                assert_never(announcement)

    @property
    def quiet(self) -> bool:
        """DONE, with nothing under way, to publish or to settle.  A session ends when all peers stay quiet.

        Drivers ask for this and ``saw_all_slices`` after every event, so both exist outside ``status()``.
        """
        if self._training.work is not WorkState.DONE or self._training.unpublished:
            return False
        working = self._requests.waits_for(*get_args(do.TrainerAction), *get_args(do.StoreAction))
        return not working and self._payments.settled

    @property
    def saw_all_slices(self) -> bool:
        """Whether it has trained on all the slices it is going to."""
        return self._training.visits >= self._training.visits_planned

    def status(self) -> PeerSnapshot:
        """The only view of a peer for anything outside this package."""
        training, payments = self._training, self._payments
        return PeerSnapshot(
            work=training.work,
            work_began=training.begun,
            weights=training.weights,
            score=training.score,
            step=training.step,
            published=training.published,
            slices_trained=training.visits,
            slices_planned=training.visits_planned,
            identity=payments.registration.identity,
            claim=payments.registration.claim,
            peers_known=len(self._peer_book.known),
            directory=tuple(payments.claims.directory.entries.values()),
            debts=tuple(payments.debts.book),
            signed=payments.outbox.signed(),
            settled=payments.settled,
            quiet=self.quiet,
            closed=payments.closed,
        )

    # private

    def _told(self, event: on.Told) -> None:
        match event:
            case on.Started():
                self._training.start()
                self._requests.set_timer(Timer.ANNOUNCE, self._config.network.announce_every)
            case on.TimerFired(timer=timer):
                if self._requests.expire(timer):
                    self._fired(timer)
            case on.ModelReceived(announcement=announcement):
                self._meet(announcement.model.creator)
                self._training.heard(announcement)
            case on.ClaimReceived(sender=sender, claim=claim):
                self._meet(sender)
                self._peer_book.known[sender].claims += 1
                self._payments.claims.heard(sender, claim)
            case on.ChainRolledBack(head=head):
                self._payments.rolled_back(head)
            case on.SessionClosed():
                self._payments.close()
            case _:
                assert_never(event)

    def _answered(self, request: do.Request, event: on.Answer) -> None:
        match event, request:
            case on.ModelFetched(), do.FetchModel():
                self._training.fetched(request)
            case on.ModelStored(), do.StoreModel():
                self._training.stored(request)
            case on.ModelScored(), do.ScoreModel() | do.TrainSlice() | do.AverageModels():
                self._training.scored(request, event)
            case on.ModelForged(), _:
                self._training.forged(event)
            case on.TransactionSigned(), do.SignDeployment() | do.SignPayment():
                self._payments.transaction_signed(request, event)
            case on.TransactionSent(), do.SendTransaction():
                self._payments.transaction_sent(request)
            case on.ReceiptsRead(), do.ReadReceipts():
                self._payments.receipts_read(request, event)
            case on.ClaimSigned(), do.SignClaim():
                self._payments.registration.claim_signed(request, event)
            case on.ClaimRead(), do.ReadClaim():
                self._payments.claim_read(request, event)
            case on.RequestFailed(reason=reason), _:
                if isinstance(request, do.TrainerAction | do.StoreAction):
                    self._training.failed(request, reason)
                else:
                    self._payments.failed(request, reason)
            case _:  # pragma: no cover
                raise AssertionError(event)  # Requests admits no answer of the wrong kind

    def _fired(self, timer: Timer) -> None:
        match timer:
            case Timer.START:
                self._begin(timed_out=True)
            case Timer.ANNOUNCE:
                self._announce()
            case Timer.CHAIN:
                self._payments.poll()
            case Timer.WORK:
                pass  # proceeding is all it was set for
            case _:
                assert_never(timer)

    def _meet(self, peer: PeerId) -> None:
        """A newcomer has missed what was said before: say it again soon."""
        new, evicted = self._peer_book.meet(peer)
        if evicted:
            self._payments.claims.forget(evicted)
        due = self._requests.due(Timer.ANNOUNCE)
        if new and (due is None or due > self._requests.now + NEWCOMER):
            self._requests.set_timer(Timer.ANNOUNCE, NEWCOMER)

    def _announce(self) -> None:
        """Idempotent state, repeated on a period."""
        claim = self._payments.registration.claim
        if claim:
            self._requests.tell(do.Announce(IdentityAnnouncement(self._config.session, claim, self._config.addresses)))
        self._training.announce()
        self._requests.set_timer(Timer.ANNOUNCE, self._config.network.announce_every)

    def _begin(self, timed_out: bool) -> None:
        if not self._training.begun:
            self._training.begin(self._heard(), timed_out)

    def _heard(self) -> int:
        return self._peer_book.identified() + (self._payments.registration.identity is IdentityState.REGISTERED)

    def _proceed(self) -> None:
        if not self._payments.closed:
            if not self._training.begun and self._heard() >= self._config.expected_identities:
                self._begin(timed_out=False)
            self._training.proceed()
        self._payments.proceed()
