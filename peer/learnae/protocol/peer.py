"""One peer: events in, actions out.  Synchronous, total, deterministic.

Theory of operation.  A peer is two state machines that never wait for each other.  The *work* machine (``training.py``)
trains, averages and publishes.  The *identity* machine (``registration.py``) deploys the peer's contract; it is driven
by ``payments.py``, which also reads other peers' contracts and pays what the work machine owes.  All write requests,
timers and decisions to one ``Requests``; after every event each machine proceeds as far as it can.

1. ``handle`` raises ``DriverError`` and changes nothing if no driver may report the event: time goes back, a second
   ``Started``, an answer to no request or of the wrong kind.  Nothing that another peer does can make it raise.
2. An answer to a request that is no longer open is ignored.
3. Every request may end in ``RequestFailed``.
4. The journal holds every handled event, in order.  The same events give the same actions, so a journal is all the
   state that a peer has.  After a replay, a driver performs the actions of ``outstanding``.
5. ``screen`` decides, before the journal, which gossip is worth an event.  It changes nothing.

    work      EMPTY --initial weights loaded--> IDLE          EMPTY --remote model adopted (no data)--> IDLE
              EMPTY --nothing to compute (keeper)--> DONE
              IDLE --slice begun--> TRAINING --slice ended--> IDLE
              IDLE --attempt begun--> MERGING --attempt ended--> IDLE
              IDLE --patience spent | nothing untried--> DONE --new model fetched | new rows fetched--> IDLE
              IDLE --income below cost--> DONE                DONE --price covers cost--> IDLE
    identity  NONE --deployment wanted--> DEPLOYING --claim signed--> REGISTERED
              DEPLOYING --deployment failed--> NONE           REGISTERED --deployment lost--> DEPLOYING
              DEPLOYING | REGISTERED --chain replaced--> NONE

``transitions.py`` holds these tables literally; ``tools/state_diagrams.py`` draws them.
"""

from random import Random
from typing import assert_never, get_args

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import ModelLocked, PluginFailed, Verdict, WorkState
from learnae.protocol.hooks import Hooks
from learnae.protocol.payments import Payments
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.reciprocity import Reciprocity
from learnae.protocol.requests import Requests
from learnae.protocol.rest import Rest, rest
from learnae.protocol.row_rewards import RowRewards
from learnae.protocol.settings import PeerConfig
from learnae.protocol.snapshot import PeerSnapshot, snapshot
from learnae.protocol.training import Training
from learnae.protocol.types import (
    Announcement,
    IdentityAnnouncement,
    ModelAnnouncement,
    PeerId,
    RowsAnnouncement,
    Timer,
)

VERSION = 4  # of a peer's behaviour: a journal of another version is not replayed
CHANGES_READERS = (on.ClaimRead, on.PaymentsRead, on.ChainRolledBack)  # who may read sealed models
GREETING_DELAY = 1.0  # s until a peer repeats its announcements because it has met a new peer


class Peer:
    def __init__(self, config: PeerConfig, rng: Random) -> None:
        self._config = config
        self._requests = Requests()
        self._peer_book = PeerBook(config)
        self._hooks = Hooks(config, self._requests)
        self._payments = Payments(config, self._requests, self._hooks)
        self._peer_book.accepts = self._payments.pool.accepts
        self._training = Training(config, rng, self._requests, self._peer_book, self._payments, self._hooks)
        self._row_rewards = RowRewards(config, self._requests, self._payments.debts, self._payments.begin)
        publication = self._training.publication
        self._reciprocity = Reciprocity(config, self._requests, self._peer_book, publication, self._payments)

    def handle(self, event: on.Event) -> list[do.Action]:
        self._requests.validate(event)
        if isinstance(event, on.Answer):
            request = self._requests.resolve(event)
            if request is None:
                return []
            self._answered(request, event)
            self._row_rewards.scored(self._training.score)
        else:
            self._notified(event)
        if isinstance(event, CHANGES_READERS):
            self._training.publication.readers_may_have_changed()
        self._proceed()
        return self._requests.drain()

    def outstanding(self) -> list[do.Action]:
        return self._requests.outstanding()

    def screen(self, sender: PeerId, announcement: Announcement, at: float) -> on.Event | Reason:
        """The event for an announcement, or why it is dropped.  Gossip has verified ``sender``."""
        if announcement.session != self._config.session:
            return Reason.SESSION
        if sender == self._config.peer:
            return Reason.REPEAT
        if not self._peer_book.has_room_for(sender):
            return Reason.PEER_LIMIT
        match announcement:
            case ModelAnnouncement(model=model):
                if model.creator != sender:
                    return Reason.SENDER
                return self._peer_book.screen_model(announcement) or on.ModelReceived(at, announcement)
            case RowsAnnouncement():
                return self._training.rows.screen(announcement) or on.RowsReceived(at, sender, announcement)
            case IdentityAnnouncement(claim=claim, addresses=addresses):
                reason = self._peer_book.screen_claim(sender) or self._payments.claims.screen(sender, claim)
                return reason or on.ClaimReceived(at, sender, claim, addresses)
            case _:
                assert_never(announcement)

    def status(self) -> PeerSnapshot:
        """The only view of a peer for anything outside this package."""
        return snapshot(self._training, self._payments, len(self._peer_book.peers), self.quiet)

    @property
    def quiet(self) -> bool:
        """DONE, with nothing under way, to publish or to settle.  A session ends when all peers stay quiet.

        Drivers ask for this and ``saw_all_slices`` very often, so both exist outside ``status()``.
        """
        if self._training.work is not WorkState.DONE or self._training.publication.pending:
            return False
        working = self._requests.waits_for(*get_args(do.TrainerAction), do.StoreModel)
        expected = self._training.fetches.expected or self._training.rows.expected
        return not working and not expected and self._payments.settled

    @property
    def at_rest(self) -> bool:
        """Whether only an announcement that it has not received makes it act again; no timer does.  See ``rest.py``."""
        return self._requests.none_open and self._training.at_rest and self._payments.at_rest

    def rest(self) -> Rest | None:
        """What it has announced and received; None unless it is at rest."""
        return rest(self._config.peer, self._training, self._payments, self._peer_book) if self.at_rest else None

    @property
    def saw_all_slices(self) -> bool:
        return not self._training.slices.left

    # private

    def _notified(self, event: on.Notification) -> None:
        match event:
            case on.Started():
                self._requests.set_timer(Timer.START, self._config.start.timeout)
                self._requests.set_timer(Timer.ANNOUNCE, self._config.network.announce_every)
            case on.TimerFired(timer=timer):
                if self._requests.expire(timer):
                    self._timer_expired(timer)
            case on.ModelReceived(announcement=announcement):
                self._meet(announcement.model.creator)
                self._training.model_received(announcement)
                if not self._peer_book.can_read(announcement.model):
                    self._requests.record(ModelLocked(announcement.model.creator, announcement.model.weights.cid))
                self._training.books.model_received()
                self._reciprocity.announced(announcement.model)
            case on.RowsReceived(sender=sender, announcement=announcement):
                self._meet(sender)
                self._training.rows.receive(announcement)
            case on.ClaimReceived(sender=sender, claim=claim):
                self._meet(sender)
                self._peer_book.peers[sender].claims_received += 1
                self._payments.claims.receive(sender, claim)
            case on.ChainRolledBack(head=head):
                self._payments.rolled_back(head)
                self._reciprocity.reset(head.genesis)
                self._training.books.reset(head.genesis, head.height)
            case on.SessionClosed():
                self._training.close()
                self._payments.close()
            case _:
                assert_never(event)

    def _answered(self, request: do.Request, event: on.Answer) -> None:
        if isinstance(event, on.ModelScoredDespite):
            self._requests.record(PluginFailed(event.plugin, event.line, event.error))
        match event, request:
            case on.ModelFetched(), do.FetchModel():
                self._training.model_fetched(request)
            case on.ModelStored(), do.StoreModel():
                self._training.publication.model_stored(request)
                self._training.rows.stored(request.cid)
            case on.RowsPacked(), _:
                self._training.rows.packed(event)
            case on.RowsSigned(), _:
                self._training.rows.signed(event)
            case on.ModelScored(), do.ScoreModel():
                self._training.model_scored(request, event)
            case on.ModelScored(), do.TrainSlice():
                self._training.slice_trained(request, event)
                self._row_rewards.trained(request.rows)
            case on.ModelScored(), do.AverageModels():
                self._training.attempt_scored(request.remote, event)
            case on.ModelForged(), _:
                self._training.model_forged(event)
            case on.TransactionSigned(), do.SignDeployment() | do.SignPayment() | do.SignPoolCall():
                self._payments.transaction_signed(request, event)
            case on.TransactionSent(), do.SendTransaction():
                self._payments.transaction_sent(request)
            case on.ReceiptsRead(), _:
                self._payments.receipts_read(event)
            case on.ClaimSigned(), do.SignClaim():
                self._payments.registration.claim_signed(request, event)
            case on.ClaimRead(), do.ReadClaim():
                self._payments.claim_read(request, event)
                self._claim_judged(request, event.facts.poid.peer)
            case on.PoolRead(), _:
                self._payments.pool_read(event)
            case on.PaymentsRead(report=report), do.ReadPayments(books=True):
                self._training.books_closed(self._training.books.payments_read(request, report))
            case on.RequestFailed(reason=reason), do.ReadPayments(books=True):
                self._training.books.read_failed(reason)
            case on.PaymentsRead(report=report), _:
                self._reciprocity.payments_read(report)
            case on.RequestFailed(), do.ReadPayments():
                self._reciprocity.read_failed()
            case on.RequestFailed(reason=reason, plugin=plugin), _:
                if plugin:
                    self._requests.record(plugin)
                if isinstance(request, do.TrainerAction | do.StoreAction):
                    self._training.request_failed(request, event)
                else:
                    self._payments.request_failed(request, reason)
            case _:  # pragma: no cover
                raise AssertionError(event)  # ``validate`` accepts no answer of the wrong kind

    def _claim_judged(self, request: do.ReadClaim, peer: PeerId) -> None:
        """A peer that repeats an old claim of another one does not replace the key of the other."""
        directory = self._payments.claims.directory
        if directory.payee(peer):
            admitted = directory.entries[request.sender, request.claim.contract].verdict is not Verdict.REJECTED
            own = admitted and request.sender == peer
            self._peer_book.claim_verified(peer, request.claim.sealing_key if own else None)

    def _timer_expired(self, timer: Timer) -> None:
        if timer is Timer.START:
            self._begin_work(timed_out=True)
        elif timer is Timer.ANNOUNCE:
            self._announce()
        elif timer is Timer.CHAIN:
            self._payments.poll()
        # ``Timer.WORK`` and ``Timer.FETCH`` need nothing more: after every event the work machine proceeds.

    def _meet(self, peer: PeerId) -> None:
        """Enter a peer that announced something; repeat all announcements soon if it is new, so that it catches up."""
        new, removed = self._peer_book.add(peer)
        if new:
            self._peer_book.peers[peer].useless = not self._hooks.takes(peer)
        if removed:
            self._payments.claims.forget(removed)
            self._reciprocity.forget(removed)
        due = self._requests.due(Timer.ANNOUNCE)
        if new and (due is None or due > self._requests.now + GREETING_DELAY):
            self._requests.set_timer(Timer.ANNOUNCE, GREETING_DELAY)

    def _announce(self) -> None:
        """Announce the present state.  Announcements are idempotent and repeated periodically."""
        claim = self._payments.registration.claim
        if claim:
            announcement = IdentityAnnouncement(self._config.session, claim)
            self._requests.emit(do.Announce(announcement))
        self._training.publication.announce()
        self._training.rows.announce()
        self._requests.set_timer(Timer.ANNOUNCE, self._config.network.announce_every)

    def _begin_work(self, timed_out: bool) -> None:
        """Apply the start rule: the chain has enough identities, the peer's own included, or the time is up."""
        if self._training.begun:
            return
        identities = self._payments.identities
        if timed_out or identities >= self._config.expected_identities:
            self._training.begin(identities, timed_out)

    def _proceed(self) -> None:
        if not self._payments.closed:
            self._begin_work(timed_out=False)
            if self._training.work is not WorkState.DONE:
                self._reciprocity.proceed()
            self._training.books.look()
            self._training.proceed()
        self._payments.proceed(finished=self._training.work is WorkState.DONE)
