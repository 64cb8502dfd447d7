"""The work machine of a peer (sections 1.1, 3 and 4): slices, averaging attempts, publications, endings.

Rules:
1. While unseen slices remain, slices and attempts take turns.  Without a candidate, or after the last slice, neither
   waits for the other.  Candidates are models that have been fetched beside the work (``fetches.py``).
2. Work keeps pace with the network (``pace.py``): the next unit waits until the newest model is stored, and the next
   slice, where an attempt would be due, for a model on its way.  It waits no longer than until a fetch is slow.
3. A trained model is always kept.  An average is kept only if it is strictly better on the peer's own validation data;
   then it is published, and its creator is owed a reward.
4. Once all slices are seen, a scored attempt that is not adopted costs patience.  An adoption restores it; an attempt
   that was never scored does neither.  Out of patience, or ``idle_after`` seconds without a candidate: DONE.
5. A new model wakes a DONE peer, once it is fetched, for at least one more scored attempt, within the max number of
   attempts per creator.  Each such model at hand when patience is spent again wakes it again.
6. A profiteer begins with a random remote model.  It neither pays for that model nor publishes it.
7. A provider averages nothing: its attempt scores a remote model as it is, and keeps it, unpublished, if it is better.
8. In an open session received row blocks are slices, too (``row_blocks.py``); all begin with the initial weights.
9. A keeper fetches the newest model of every creator, so that it can serve it, and does nothing else.
"""

from functools import partial
from random import Random

from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.attempts import Attempts
from learnae.protocol.books import Books
from learnae.protocol.decisions import Adopted, AttemptFailed, Averaged, Trained, TrainingFailed, WorkChanged, WorkState
from learnae.protocol.fetches import Fetches
from learnae.protocol.hooks import Hooks
from learnae.protocol.pace import Pace
from learnae.protocol.payments import Payments
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.policies import ForgeModel, ModelForged, Role
from learnae.protocol.publication import Publication
from learnae.protocol.requests import Requests
from learnae.protocol.row_blocks import RowBlocks
from learnae.protocol.row_types import PackRows, SignRows, cid_of
from learnae.protocol.settings import PeerConfig
from learnae.protocol.slices import Slices
from learnae.protocol.transitions import WORK
from learnae.protocol.types import ModelRef, Score, Timer

RETRY_INITIAL = 1.0  # s until initial weights that failed to load are fetched again


class Training:
    def __init__(
        self, config: PeerConfig, rng: Random, requests: Requests, peer_book: PeerBook, payments: Payments, hooks: Hooks
    ) -> None:
        self._config, self.hooks = config, hooks
        hooks.training = self
        self._requests, self._peer_book = requests, peer_book
        self._pay = payments.rewards.attempted
        self._keeps = config.role is Role.KEEPER
        self._begins_with_initial = config.role is not Role.PROFITEER or not config.privacy
        self.books = Books(config, requests, payments, self._books_closed)
        self.work, self.begun = WorkState.EMPTY, False
        self.publication = Publication(config, requests, peer_book, hooks)
        self.fetches = Fetches(rng, requests, peer_book, self._model_arrived)
        self.rows = RowBlocks(config, rng, requests, partial(self._wake, "new rows fetched"))
        self.score: Score | None = None  # of its newest model, as it states it
        self.slices = Slices(config, hooks, self.rows, self.publication)
        self._pace = Pace(requests, self.fetches)
        self.attempts = Attempts(config, hooks, self.publication)
        self.patience = config.work.patience
        self._remote: ModelRef | None = None  # of the present attempt

    @property
    def absent(self) -> bool:
        """Whether its policy has ended its work, or its work costs more than it brings."""
        return self.hooks.left or self.books.away

    # answers

    def initial_fetched(self, request: do.FetchModel) -> None:
        self._requests.issue(partial(do.ScoreModel, cid=request.cid, model=None))

    def model_scored(self, request: do.ScoreModel, event: on.ModelScored) -> None:
        if request.model and self.work is WorkState.MERGING:
            self.attempt_scored(request.model, event)
            return
        creator = request.model.creator if request.model else None
        self.publication.begin_with(event.weights, creator)
        self.score, self._remote = event.score, None
        if request.model is None:  # a peer that announces the initial weights as its own is a copycat
            self.publication.credit(ModelRef(self._config.peer, 0, event.weights))
        else:
            self._verified(request.model, adopted=False)
        self._requests.record(Adopted(request.cid, creator, event.score))
        self._change("remote model adopted" if request.model else "initial weights loaded")

    def slice_trained(self, request: do.TrainSlice, event: on.ModelScored) -> None:
        self.score = self.hooks.true_score = event.score
        self.slices.trained += 1
        self.publication.publish(event.weights)
        cid, rows = event.weights.cid, cid_of(request.rows)
        self._requests.record(Trained(request.slice, self.publication.step, cid, event.score, rows))
        self._end_unit()

    def attempt_scored(self, remote: ModelRef, event: on.ModelScored) -> None:
        before = self.score
        assert before
        after, adopted = self.hooks.judge(before, event.score)
        averages = self._config.role is not Role.PROVIDER
        cid, step = event.weights.cid, self.publication.step + averages
        self._requests.record(Averaged(remote.creator, remote.weights.cid, before, after, adopted, cid, step))
        self._verified(remote, adopted)
        if adopted:
            self.score, self.patience = after, self._config.work.patience
            self.publication.adopt(event.weights, remote)
        elif not self.slices.left:
            self.patience -= 1
        self._pay(remote, before, after, adopted)
        self._end_unit()

    def model_forged(self, event: ModelForged) -> None:
        if self.work is WorkState.TRAINING:
            self.slices.trained += 1
        if self._remote:
            self._verified(self._remote, adopted=False)
        self.publication.publish(event.weights)
        self._end_unit()

    def request_failed(self, request: do.TrainerAction | do.StoreAction, event: on.RequestFailed) -> None:
        match request:
            case do.FetchModel(model=None) | do.ScoreModel(model=None):
                self._requests.set_timer(Timer.WORK, RETRY_INITIAL)
            case do.FetchModel() | do.StoreModel() | PackRows() | SignRows():
                pass  # tried again later
            case do.TrainSlice() | ForgeModel() if self.work is WorkState.TRAINING:
                if isinstance(request, do.TrainSlice):
                    self._requests.record(TrainingFailed(request.slice, event.reason, cid_of(request.rows)))
                self.slices.trained += 1
                self._end_unit()
            case _:
                assert (remote := self._remote)
                cid, reason, similar = remote.weights.cid, event.reason, event.similar
                self._requests.record(AttemptFailed(remote.creator, cid, reason, similar))
                self._peer_book.refute(remote)
                self._end_unit()

    # time

    def proceed(self) -> None:
        """Begin fetches and the next unit of work, unless one is under way."""
        if self.absent:
            return
        if self.begun and self._keeps and self.work is WorkState.EMPTY:
            self._change("nothing to compute")
        initial = self.work is WorkState.EMPTY and self._begins_with_initial
        averages = self.hooks.averages and (self.patience > 0 or self.slices.left)
        if self.begun:
            if self._keeps or (not initial and self.hooks.averages):
                self.fetches.fetch(only_news=not (averages or self._keeps))
            self.rows.publish_and_fetch()
        if self._keeps or not self._requests.trainer_is_free:
            return
        if initial:
            if self._requests.due(Timer.WORK) is None and not self._requests.waits_for(do.FetchModel):
                self._requests.issue(partial(do.FetchModel, cid=self._config.initial_weights, model=None, hints=()))
        elif self.begun and self.work in (WorkState.EMPTY, WorkState.IDLE):
            if not self._pace.pauses() and not self.books.closing():
                self._begin_next_unit(averages)
                if self._remote:  # there is room for the next model
                    self.fetches.fetch(only_news=not averages)

    def close(self) -> None:
        """The session is over: a peer that waits for models that will not come is done."""
        if self.work is WorkState.IDLE:
            self._change("nothing untried")

    # private

    def _begin_next_unit(self, averages: bool) -> None:
        if self.work is WorkState.IDLE and self.hooks.leaves():
            self._change("patience spent")
            return
        slices_left = self.slices.left and self.work is WorkState.IDLE
        candidate = averages and bool(self.fetches.ready)
        attempt_due = averages and self.attempts.begun < self.slices.trained
        for_fetch = slices_left and attempt_due and not candidate
        if averages and (slices_left or candidate) and self._pace.waits_for_network(for_fetch):
            return
        if slices_left and not (candidate and attempt_due):
            self._begin_slice()
        elif candidate:
            self._begin_attempt(self.fetches.take())
        elif not averages and self.work is WorkState.IDLE:
            self._change("patience spent")
            if self.fetches.ready:  # news that arrived during the last attempt
                self._wake("new model fetched")
                self._begin_attempt(self.fetches.take())
        elif self._pace.has_waited(self._config.work.idle_after) and self.work is WorkState.IDLE:
            self._change("nothing untried")

    def _books_closed(self, cause: str) -> None:
        """Leave, or return; the peer is IDLE or DONE then."""
        self.patience = self._config.work.patience
        self._change(cause)

    def _model_arrived(self, model: ModelRef, news: bool) -> None:
        if self._keeps:
            self.fetches.superseded(model.creator)
            self.publication.credit(model)  # so that copies of it are not fetched
        elif (news or self.patience > 0) and self.fetches.ready:
            self._wake("new model fetched")

    def _wake(self, cause: str) -> None:
        if self.work is WorkState.DONE and not self.absent:
            self.patience = max(self.patience, 1)
            self._change(cause)

    def _begin_slice(self) -> None:
        self._begin_unit("slice begun")
        self._requests.issue(self.slices.next())

    def _begin_attempt(self, remote: ModelRef) -> None:
        if self.work is WorkState.IDLE:
            self._begin_unit("attempt begun")
        self._pace.work_found()
        self._remote = remote
        self._requests.issue(self.attempts.next(remote))

    def _verified(self, remote: ModelRef, adopted: bool) -> None:
        """The trainer has loaded a model exactly as announced."""
        self._peer_book.model_scored(remote.creator, adopted)
        self.publication.credit(remote)

    def _begin_unit(self, cause: str) -> None:
        self._pace.unit_began()
        self.books.unit_began()
        self._change(cause)

    def _end_unit(self) -> None:
        self._remote, training = None, self.work is WorkState.TRAINING
        self._pace.unit_ended(self._config.pace.slice if training else self._config.pace.attempt)
        if self.work is not WorkState.EMPTY:
            self._change("slice ended" if training else "attempt ended")

    def _change(self, cause: str) -> None:
        self.work = WORK[self.work, cause]
        self._requests.record(WorkChanged(self.work))
