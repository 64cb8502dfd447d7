"""The work machine of one peer (sections 1.1, 3 and 4): slices, averaging attempts, publications, endings.

Rules:
1. While unseen slices remain, a slice and an attempt take turns; without a candidate, or after the last slice, there is
   no waiting for the other.  A failed attempt was a turn, so that an outage cannot starve training.
2. Training is always kept.  An average is kept only if it is strictly better on the peer's own validation rows; then it
   is published and owed for.
3. A scored attempt that is not adopted costs patience once all slices are seen; an adoption restores it; an attempt
   that was never scored does neither.  Out of patience, or ``idle_after`` seconds without a candidate: DONE.
4. A model never heard of before wakes a peer that is DONE for at least one more scored attempt.  Each creator's budget
   of attempts bounds that.
5. A peer without rows begins with a random remote model, scored on the public block: never paid for, never republished.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import assert_never

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import (
    Adopted,
    AttemptFailed,
    Averaged,
    Published,
    Trained,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Forgery, ModelAnnouncement, ModelRef, Policy, Score, Timer, Weights

WORK: dict[tuple[WorkState, str], WorkState] = {
    (WorkState.EMPTY, "initial weights loaded"): WorkState.IDLE,
    (WorkState.EMPTY, "remote model adopted"): WorkState.IDLE,
    (WorkState.IDLE, "slice begun"): WorkState.TRAINING,
    (WorkState.TRAINING, "slice ended"): WorkState.IDLE,
    (WorkState.IDLE, "attempt begun"): WorkState.MERGING,
    (WorkState.MERGING, "attempt ended"): WorkState.IDLE,
    (WorkState.IDLE, "patience spent"): WorkState.DONE,
    (WorkState.IDLE, "nothing untried"): WorkState.DONE,
    (WorkState.DONE, "new model heard"): WorkState.IDLE,
}

FORGERS = (Policy.POISONER, Policy.SPAMMER)  # publish random weights in their slices' place, average nothing
SPAM = 1000  # models a spammer announces, as fast as it can


class Training:
    def __init__(
        self,
        config: PeerConfig,
        rng: random.Random,
        requests: Requests,
        peer_book: PeerBook,
        owe: Callable[[ModelRef, Score, Score], None],
    ) -> None:
        self.config, self._rng, self._requests, self._peer_book, self._owe = config, rng, requests, peer_book, owe
        self.work = WorkState.EMPTY
        self.begun = False
        self.weights: Weights | None = None
        self.score: Score | None = None
        self.step = 0
        self.visits = 0  # slices trained
        self.visits_planned = SPAM if config.policy is Policy.SPAMMER else config.slices_planned
        self.published: ModelRef | None = None  # the newest that others may hear of
        self._turns = 0  # attempts begun
        self._patience = config.work.patience
        self._remote: ModelRef | None = None  # of the attempt at hand
        self._unit_began = 0.0
        self._not_before = 0.0  # pace
        self._idle_since: float | None = None

    @property
    def unpublished(self) -> bool:
        """Whether its newest model has not reached the store."""
        return self.step > (self.published.step if self.published else 0)

    # start

    def start(self) -> None:
        self._requests.set_timer(Timer.START, self.config.start.timeout)

    def begin(self, heard: int, timed_out: bool) -> None:
        self.begun = True
        self._requests.record(WorkBegan(heard, timed_out))

    # others

    def heard(self, announcement: ModelAnnouncement) -> None:
        reason = self._peer_book.hear(announcement)
        model = announcement.model
        if reason:
            self._requests.record(AttemptFailed(model.creator, model.weights.cid, reason))
        elif self.work is WorkState.DONE and self.config.policy not in FORGERS:
            self._patience = max(self._patience, 1)
            self._change("new model heard")

    # answers

    def fetched(self, request: do.FetchModel) -> None:
        remote, base = self._remote, self.weights
        if remote is None:
            self._requests.ask(partial(do.ScoreModel, cid=request.cid, model=None))
        elif self.config.policy is Policy.COPYCAT:
            self._forge(self.config.forgery, remote)
        elif base is None:
            self._requests.ask(partial(do.ScoreModel, cid=request.cid, model=remote))
        else:
            self._requests.ask(partial(do.AverageModels, base_cid=base.cid, remote=remote, step=self.step + 1))

    def scored(self, request: do.ScoreModel | do.TrainSlice | do.AverageModels, event: on.ModelScored) -> None:
        match request:
            case do.TrainSlice():
                self._slice_trained(request, event)
            case do.AverageModels():
                self._average_scored(request.remote, event)
            case do.ScoreModel():
                self.weights, self.score, self._remote = event.weights, event.score, None
                creator = request.model.creator if request.model else None
                if creator is None:  # whoever announces these as its own is a copycat
                    self._peer_book.made(ModelRef(self.config.peer, 0, event.weights))
                self._requests.record(Adopted(request.cid, creator, event.score))
                self._change("remote model adopted" if request.model else "initial weights loaded")
            case _:
                assert_never(request)

    def forged(self, event: on.ModelForged) -> None:
        if self.work is WorkState.TRAINING:
            self.visits += 1
        self._publish(event.weights)
        self._end_unit()

    def stored(self, request: do.StoreModel) -> None:
        if self.weights and self.weights.cid == request.cid:
            self.published = ModelRef(self.config.peer, self.step, self.weights)
            self._requests.record(Published(self.step, request.cid))
            self.announce()

    def failed(self, request: do.TrainerAction | do.StoreAction, reason: Reason) -> None:
        match request:
            case do.StoreModel():
                pass  # tried again with the next announcement
            case do.FetchModel(creator=None) | do.ScoreModel(model=None):
                self._requests.set_timer(Timer.WORK, 1.0)
            case do.TrainSlice() | do.ForgeModel() if self.work is WorkState.TRAINING:
                self.visits += 1
                self._end_unit()
            case _:
                self._attempt_failed(request, reason)

    # clock

    def announce(self) -> None:
        """Say again what is the newest; store it first if the store was away."""
        if self.published:
            announcement = ModelAnnouncement(self.config.session, self.published, self.config.addresses)
            self._requests.tell(do.Announce(announcement))
        if self.weights and self.unpublished and not self._requests.waits_for(do.StoreModel):
            cid = self.weights.cid
            self._requests.ask(lambda request: do.StoreModel(request, cid))

    def proceed(self) -> None:
        """Begin the next unit of work, if none is under way."""
        if self._requests.waits_for(do.FetchModel, do.ScoreModel, do.TrainSlice, do.AverageModels, do.ForgeModel):
            return
        if self.work is WorkState.EMPTY and self.config.has_rows:
            if self._requests.due(Timer.WORK) is None:
                self._requests.ask(partial(do.FetchModel, cid=self.config.initial_weights, creator=None, hints=()))
        elif self.begun and self.work in (WorkState.EMPTY, WorkState.IDLE):
            if self._requests.now < self._not_before:
                self._requests.set_timer(Timer.WORK, self._not_before - self._requests.now)
            else:
                self._next_unit()

    # in here

    def _next_unit(self) -> None:
        slices_left = self.visits < self.visits_planned and self.work is WorkState.IDLE
        averages = self.config.policy not in FORGERS and (self._patience > 0 or slices_left)
        remote = self._peer_book.pick(self._rng, self._requests.now) if averages else None
        if slices_left and (remote is None or self._turns >= self.visits):
            self._begin_slice()
        elif remote:
            self._begin_attempt(remote)
        elif not averages and self.work is WorkState.IDLE:
            self._change("patience spent")
        else:
            self._idle()

    def _idle(self) -> None:
        now = self._requests.now
        self._idle_since = since = now if self._idle_since is None else self._idle_since
        deadline = since + self.config.work.idle_after
        retry = self._peer_book.retry_at()
        if retry is not None and now < retry:
            self._requests.set_timer(Timer.WORK, retry - now)
        elif now < deadline:
            self._requests.set_timer(Timer.WORK, deadline - now)
        elif self.work is WorkState.IDLE:
            self._change("nothing untried")

    def _begin_slice(self) -> None:
        assert self.weights
        self._begin_unit("slice begun")
        if self.config.policy in FORGERS:
            self._forge(Forgery.RANDOM, None)
        else:
            train = partial(do.TrainSlice, base_cid=self.weights.cid, slice=self.visits % self.config.work.slices)
            self._requests.ask(partial(train, slices_trained=self.visits, step=self.step + 1))

    def _begin_attempt(self, remote: ModelRef) -> None:
        if self.work is WorkState.IDLE:
            self._begin_unit("attempt begun")
        self._remote, self._idle_since = remote, None
        self._turns += 1
        hints = self._peer_book.begin(remote)
        self._requests.ask(partial(do.FetchModel, cid=remote.weights.cid, creator=remote.creator, hints=hints))

    def _forge(self, forgery: Forgery, source: ModelRef | None) -> None:
        self._requests.ask(partial(do.ForgeModel, forgery=forgery, source=source, step=self.step + 1))

    def _slice_trained(self, request: do.TrainSlice, event: on.ModelScored) -> None:
        self.score, self.visits = event.score, self.visits + 1
        self._publish(event.weights)
        self._requests.record(Trained(request.slice, self.step, event.weights.cid, event.score))
        self._end_unit()

    def _average_scored(self, remote: ModelRef, event: on.ModelScored) -> None:
        before, after = self.score, event.score
        assert before
        adopted = after.beats(before)
        cid, step = event.weights.cid, self.step + 1
        self._requests.record(Averaged(remote.creator, remote.weights.cid, before, after, adopted, cid, step))
        if adopted:
            self.score, self._patience = after, self.config.work.patience
            self._publish(event.weights)
            self._owe(remote, before, after)
        elif self.visits >= self.visits_planned:
            self._patience -= 1
        self._end_unit()

    def _attempt_failed(self, request: do.TrainerAction | do.FetchModel, reason: Reason) -> None:
        remote = self._remote
        assert remote
        self._requests.record(AttemptFailed(remote.creator, remote.weights.cid, reason))
        if isinstance(request, do.FetchModel):
            self._peer_book.not_fetched(remote, self._requests.now)
        self._end_unit()

    def _publish(self, weights: Weights) -> None:
        self.weights, self.step = weights, self.step + 1
        self._peer_book.made(ModelRef(self.config.peer, self.step, weights))  # so that copies of it are known
        self._requests.ask(lambda request: do.StoreModel(request, weights.cid))

    def _begin_unit(self, cause: str) -> None:
        self._unit_began = self._requests.now
        self._idle_since = None
        self._change(cause)

    def _end_unit(self) -> None:
        self._remote = None
        training = self.work is WorkState.TRAINING
        pace = self.config.pace.slice if training else self.config.pace.attempt
        self._not_before = self._unit_began + pace
        if self.work is not WorkState.EMPTY:
            self._change("slice ended" if training else "attempt ended")

    def _change(self, cause: str) -> None:
        self.work = WORK[self.work, cause]
        self._requests.record(WorkChanged(self.work))
