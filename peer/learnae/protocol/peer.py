"""One peer: events in, actions out.  Synchronous, total, deterministic.

Theory of operation.  A peer is two state machines that never wait for each other.  The *work* machine (``training.py``)
trains, averages and publishes.  The *identity* machine (``registration.py``) deploys the peer's contract; it is driven
by ``payments.py``, which also reads other peers' contracts and pays what the work machine owes.  All write requests,
timers and decisions to one ``Requests``; after every event each machine proceeds as far as it can.  Rules that a
session may add to the paper's protocol attach to both (``rules.py``).

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
from typing import assert_never

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.announcing import Announcing
from learnae.protocol.blockchain import PoolRead, ReadPayments, SignPoolCall
from learnae.protocol.decisions import WorkState
from learnae.protocol.events import Announcement
from learnae.protocol.hooks import Hooks
from learnae.protocol.payments import Payments
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.policies import ModelForged
from learnae.protocol.reciprocity import Reciprocity
from learnae.protocol.requests import Requests
from learnae.protocol.rest import Rest, has_done_all, is_at_rest, is_quiet, rest
from learnae.protocol.row_rewards import RowRewards
from learnae.protocol.row_types import RowsReceived
from learnae.protocol.rules import Rule
from learnae.protocol.screening import Screening
from learnae.protocol.sealed_models import SealedModels
from learnae.protocol.settings import PeerConfig
from learnae.protocol.snapshot import PeerSnapshot, snapshot
from learnae.protocol.start import Start
from learnae.protocol.training import Training
from learnae.protocol.types import Answering, PeerId, Timer, Weights

VERSION = 4  # of a peer's behaviour: a journal of another version is not replayed


class Peer:
    def __init__(self, config: PeerConfig, rng: Random) -> None:
        self._config = config
        self._requests = Requests()
        self._peer_book = PeerBook(config)
        self._hooks = Hooks(config, self._requests)
        self._payments = Payments(config, self._requests, self._hooks)
        self._peer_book.accepts = self._payments.pool.accepts if self._payments.pool.checks_stakes else None
        self._training = Training(config, rng, self._requests, self._peer_book, self._payments, self._hooks)
        self._announcing = Announcing(config, self._requests, self._training, self._payments)
        self._start = Start(config, self._requests, self._training, self._payments)
        self._screening = Screening(config, self._peer_book, self._training.rows, self._payments.claims)
        rules: list[Rule] = [  # sealed models last: the others change who may read
            self._training.fetches,
            self._training.rows,
            RowRewards(config, self._requests, self._training, self._payments),
            Reciprocity(config, self._requests, self._peer_book, self._training, self._payments),
            self._training.books,
            SealedModels(config, self._requests, self._peer_book, self._training.publication),
        ]
        self._rules = [rule for rule in rules if rule.applies]

    def handle(self, event: on.Event) -> list[do.Action]:
        self._requests.validate(event)
        if isinstance(event, Answering):
            request = self._requests.resolve(event)
            if request is None:
                return []
            self._answered(request, event)
            for rule in self._rules:
                rule.answered(request, event)
        else:
            self._notified(event)
        self._proceed()
        return self._requests.drain()

    def outstanding(self) -> list[do.Action]:
        return self._requests.outstanding()

    def screen(self, sender: PeerId, announcement: Announcement, at: float) -> on.Event | Reason:
        """The event for an announcement, or why it is dropped.  Gossip has verified ``sender``."""
        return self._screening.event(sender, announcement, at)

    def status(self) -> PeerSnapshot:
        """The only view of a peer for anything outside this package."""
        return snapshot(self._training, self._payments, len(self._peer_book.peers), self.quiet)

    @property
    def quiet(self) -> bool:
        """DONE, with nothing under way, to publish or to settle.  A session ends when all peers stay quiet.

        Drivers read this and the properties below very often, so these exist outside ``status()``.
        """
        return is_quiet(self._requests, self._training, self._payments)

    @property
    def at_rest(self) -> bool:
        """Whether only an announcement that it has not received makes it act again; no timer does.  See ``rest.py``."""
        return is_at_rest(self._requests, self._training, self._payments)

    def rest(self) -> Rest | None:
        """What it has announced and received; None unless it is at rest."""
        return rest(self._config.peer, self._training, self._payments, self._peer_book) if self.at_rest else None

    @property
    def weights(self) -> Weights | None:
        """Weights of its current model; None before it has one."""
        return self._training.publication.weights

    @property
    def saw_all_slices(self) -> bool:
        return not self._training.slices.left

    # private

    def _notified(self, event: on.Notification) -> None:
        match event:
            case on.Started():
                self._requests.set_timer(Timer.START, self._config.start.timeout)
                self._announcing.begin()
            case on.TimerFired(timer=timer):
                if self._requests.expire(timer):
                    self._timer_expired(timer)
            case on.ModelReceived(announcement=announcement):
                self._meet(announcement.model.creator)
                self._training.fetches.announced(announcement, done=self._training.work is WorkState.DONE)
                for rule in self._rules:
                    rule.model_received(announcement.model)
            case RowsReceived(sender=sender, announcement=announcement):
                self._meet(sender)
                self._training.rows.receive(announcement)
            case on.ClaimReceived(sender=sender, claim=claim):
                self._meet(sender)
                self._peer_book.peers[sender].claims_received += 1
                self._payments.claims.receive(sender, claim)
            case on.ChainRolledBack(head=head):
                self._payments.rolled_back(head)
                for rule in self._rules:
                    rule.rolled_back(head)
            case on.SessionClosed():
                if self._requests.none_open and has_done_all(self._training):
                    self._training.close()
                self._payments.close()
            case _:
                assert_never(event)

    def _answered(self, request: do.Request, event: on.Answer) -> None:
        if isinstance(event, on.ModelScored | on.RequestFailed) and event.plugin:
            self._requests.record(event.plugin)
        match event, request:
            case on.ModelFetched(), do.FetchModel(model=None):
                self._training.initial_fetched(request)
            case on.ModelStored(), do.StoreModel():
                self._training.publication.model_stored(request)
            case on.ModelScored(), do.ScoreModel():
                self._training.model_scored(request, event)
            case on.ModelScored(), do.TrainSlice():
                self._training.slice_trained(request, event)
            case on.ModelScored(), do.AverageModels():
                self._training.attempt_scored(request.remote, event)
            case ModelForged(), _:
                self._training.model_forged(event)
            case on.TransactionSigned(), do.SignDeployment() | do.SignPayment() | SignPoolCall():
                self._payments.transaction_signed(request, event)
            case on.TransactionSent(), do.SendTransaction():
                self._payments.transactions.sent(request.signed)
            case on.ReceiptsRead(), _:
                self._payments.receipts_read(event)
            case on.ClaimSigned(), do.SignClaim():
                self._payments.registration.claim_signed(request, event)
            case on.ClaimRead(), do.ReadClaim():
                self._payments.claim_read(request, event)
                self._peer_book.claim_read(request, event.facts.poid.peer, self._payments.claims.directory)
            case PoolRead(), _:
                self._payments.pool_read(event)
            case on.RequestFailed(reason=reason), _:
                if isinstance(request, do.TrainerAction | do.StoreAction):
                    self._training.request_failed(request, event)
                elif not isinstance(request, ReadPayments):
                    self._payments.request_failed(request, reason)
            # The other answers are for a rule; ``validate`` accepts none of the wrong kind.

    def _timer_expired(self, timer: Timer) -> None:
        if timer is Timer.START:
            self._start.proceed(timed_out=True)
        elif timer is Timer.ANNOUNCE:
            self._announcing.repeat()
        elif timer is Timer.CHAIN:
            self._payments.poll()
        # ``Timer.WORK`` and ``Timer.FETCH`` need nothing more: after every event the work machine proceeds.

    def _meet(self, peer: PeerId) -> None:
        """Enter a peer that announced something, unless it is known."""
        if peer in self._peer_book.peers:
            return
        removed = self._peer_book.add(peer)
        self._peer_book.peers[peer].useless = not self._hooks.takes(peer)
        if removed:
            self._payments.claims.forget(removed)
            for rule in self._rules:
                rule.forget(removed)
        self._announcing.greet()

    def _proceed(self) -> None:
        if not self._payments.debts.closed:
            self._start.proceed()
            for rule in self._rules:
                rule.proceed()
            self._training.proceed()
        self._payments.proceed(finished=self._training.work is WorkState.DONE)
