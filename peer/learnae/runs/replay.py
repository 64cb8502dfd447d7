"""Executes the work of a finished run again, from its journals and its data, and names what differs.

Each job is done by the code that did it in the session (``runtime.dispatch``, ``learn.trainer``); jobs of all peers
that wait for nothing run in one batch.  A refusal of a model that is similar to another one is such a job, too: both
are compared again.  The blocks of models are those that the run kept, and otherwise the results of earlier jobs, so a
run that kept none can be executed from its initial weights on.

On the processor and with the versions of the session, every result has the same bits: the model's CID, the digest of
its tensors and the score.  On another processor this holds for averages only.  There, a trained or forged model may
differ by ``MODEL_TOLERANCE`` of what the training changed, and a score by ``SCORE_TOLERANCE`` of the rows, or one row.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from random import Random
from typing import Any, NoReturn

from learnae.adapters.sqlite_journal import JournalContents
from learnae.errors import InputError, PortError, ReplayMismatch
from learnae.lazy_future import lazy
from learnae.learn.comparison import relative_difference
from learnae.learn.model import create_network
from learnae.messages.wire import cid_of
from learnae.ports import TooSimilar
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.defence_types import Likeness
from learnae.protocol.policies import ForgeModel, ModelForged
from learnae.protocol.replay import new_peer, replay_steps
from learnae.protocol.row_types import PackRows, RowBlock, RowsPacked
from learnae.protocol.types import Cid, ModelRef, Score, Weights
from learnae.runtime.dispatch import finish, submit
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.roster import names

MODEL_TOLERANCE = 0.01  # of what the job changed; measured: 6e-7, or 1e-3 where the sign of a unit's input flips
SCORE_TOLERANCE = 0.002  # of the rows; measured: no row
AT_ONCE = 512  # jobs
NO_MODEL = cid_of(b"")  # of no block that a trainer holds
KINDS = {do.TrainSlice: "training", do.AverageModels: "averaging", do.ScoreModel: "scoring", ForgeModel: "forgery"}
KINDS |= {PackRows: "packing"}


@dataclass(frozen=True)
class Job:
    """One answered request to a trainer.  ``entry``: number of the answer in the peer's journal."""

    peer: str
    entry: int
    request: do.TrainerAction
    answer: on.ModelScored | ModelForged | RowsPacked | on.RequestFailed

    @property
    def refused_for(self) -> Likeness | None:
        """The model to which the announced one was too similar."""
        return self.answer.similar if isinstance(self.answer, on.RequestFailed) else None

    @property
    def kind(self) -> str:
        return "comparison" if self.refused_for else KINDS[type(self.request)]

    @property
    def made(self) -> Cid | None:
        """The block that it made or scored; None: it refused one."""
        match self.answer:
            case RowsPacked(cid=cid):
                return cid
            case on.RequestFailed():
                return None
            case scored:
                return scored.weights.cid

    @property
    def inputs(self) -> tuple[Cid, ...]:
        """The blocks that it needs: models first."""
        similar = self.refused_for
        match self.request:
            case do.AverageModels(remote=ModelRef(weights=Weights(cid=cid))) | do.ScoreModel(cid=cid) if similar:
                return cid, similar.cid
            case do.TrainSlice(base_cid=cid, rows=RowBlock(cid=rows), earlier=earlier):
                return cid, rows, *earlier
            case do.ScoreModel(cid=cid) | do.TrainSlice(base_cid=cid):
                return (cid,)
            case PackRows():
                return ()
            case do.AverageModels(base_cid=cid, remote=remote):
                return cid, remote.weights.cid
            case ForgeModel(source=source, other=other):
                return tuple(cid for cid in (source and source.weights.cid, other) if cid)

    @property
    def repeated(self) -> do.TrainerAction:
        """Compared with no earlier models and with no average of its parents.

        Its peer compared it with those that it held, and which it held is not recorded.
        """
        match self.request:
            case do.ScoreModel(model=model) as request:
                return replace(request, model=model and _with_unknown_parents(model), earlier=())
            case do.AverageModels(remote=remote) as request:
                return replace(request, remote=_with_unknown_parents(remote), earlier=())
            case ForgeModel(source=source) as request:
                return replace(request, source=source and _with_unknown_parents(source))
            case request:
                return request

    def __str__(self) -> str:
        step = "" if isinstance(self.request, do.ScoreModel | PackRows) else f" for its model {self.request.step}"
        return f"{self.peer}, {self.kind}{step} (journal entry {self.entry})"


@dataclass(frozen=True)
class Difference:
    """``near``: it is within the tolerances for another processor; None: not known, the run did not keep the model."""

    job: Job
    text: str
    near: bool | None

    def __str__(self) -> str:
        return f"{self.job}: {self.text}"


@dataclass
class Replayed:
    """``blocked``: jobs whose models are not in the run and could not be computed."""

    executed: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    blocked: list[Job] = field(default_factory=list)


def jobs_of(name: str, journal: JournalContents) -> Iterator[Job]:
    """The answered jobs of one peer.  Others that failed than refusals are left out: nothing was paid for them.

    Raises InputError: another version wrote the journal, or it is damaged.
    """
    open_requests: dict[int, do.TrainerAction] = {}
    try:
        for entry, (event, actions) in enumerate(replay_steps(new_peer(journal.config), journal.entries), start=1):
            if isinstance(event, on.Answer) and (request := open_requests.pop(event.request, None)):
                match event, request:
                    case ((on.ModelScored() | ModelForged() | RowsPacked()), _):
                        yield Job(name, entry, request, event)
                    case on.RequestFailed(similar=Likeness()), do.AverageModels() | do.ScoreModel():
                        yield Job(name, entry, request, event)
            open_requests |= {action.request: action for action in actions if isinstance(action, do.TrainerAction)}
    except ReplayMismatch as error:
        raise InputError(f"the journal of {name} cannot be replayed: {error}") from None


def chosen(jobs: Sequence[Job], share: float, peers: Collection[str], seed: str) -> list[Job]:
    """A random share of the jobs of these peers (none: of all), in their order; at least one."""
    wanted = [number for number, job in enumerate(jobs) if not peers or job.peer in peers]
    count = min(len(wanted), max(1, round(share * len(wanted))))
    return [jobs[number] for number in sorted(Random(seed).sample(wanted, count))]


def with_sources(wanted: Sequence[Job], jobs: Sequence[Job], kept: Collection[Cid]) -> list[Job]:
    """These jobs, and those that made the models that they need, as far as the run did not keep them."""
    made_by = {job.made: job for job in reversed(jobs) if not isinstance(job.request, do.ScoreModel)}
    needed, stack = dict.fromkeys(wanted), list(wanted)
    while stack:
        for cid in stack.pop().inputs:
            source = made_by.get(cid)
            if source and cid not in kept and source not in needed:
                needed[source] = None
                stack.append(source)
    return [job for job in jobs if job in needed]


class Replay:
    """``kept``: the blocks that the run kept; their CIDs are verified."""

    def __init__(
        self, learning: TorchLearning, contents: Mapping[str, JournalContents], kept: Mapping[Cid, bytes]
    ) -> None:
        session, order = learning.session, names(learning.session.peers)
        initial = [learning.initial_block(name) for name in order]
        self.kept = {**kept, **{cid_of(block): block for block in initial}}
        self.jobs = [job for name, journal in contents.items() for job in jobs_of(name, journal)]
        self._blocks = dict(self.kept)
        self._network = create_network(session.model, *learning.table.shape)
        self._trainers = {
            name: learning.trainer(order.index(name), config.peer, config.session, self._blocks)
            for name, (config, *_) in contents.items()
        }
        self._similarities = {name: learning.similarity(order.index(name), self._blocks) for name in contents}

    def run(self, jobs: Sequence[Job], progress: Callable[[int], None] = lambda done: None) -> Replayed:
        """Execute these jobs in an order in which the models that they need exist."""
        result, waiting = Replayed(), list(jobs)
        users = Counter(cid for job in jobs for cid in job.inputs)
        while ready := [job for job in waiting if all(cid in self._blocks for cid in job.inputs)][:AT_ONCE]:
            pending = [self._submit(job) for job in ready]
            for job, future in zip(ready, pending, strict=True):
                event = finish(job.request, future, job.answer.at)
                result.executed[job.kind] += 1
                if difference := self._compare(job, event):
                    result.differences.append(difference)
                users.subtract(job.inputs)
                self._forget_unused(users, (*job.inputs, *_results(event)))
            done = set(ready)
            waiting = [job for job in waiting if job not in done]
            progress(len(jobs) - len(waiting))
        result.blocked = waiting
        return result

    def _submit(self, job: Job) -> Future[Any]:
        if job.refused_for:
            return lazy(partial(self._refuse, job.peer, *job.inputs))
        return submit(job.repeated, self._trainers[job.peer])

    def _refuse(self, peer: str, cid: Cid, other: Cid) -> NoReturn:
        nearest = self._similarities[peer].nearest(cid, (other,))
        assert nearest  # both blocks are here
        raise TooSimilar(nearest)

    def _forget_unused(self, users: Counter[Cid], cids: Collection[Cid]) -> None:
        for cid in cids:
            if users[cid] <= 0 and cid not in self.kept:
                self._blocks.pop(cid, None)

    def _compare(self, job: Job, event: on.Event) -> Difference | None:
        """What differs between the journal and the job's result now."""
        answer = job.answer
        if isinstance(answer, RowsPacked):
            same = isinstance(event, RowsPacked) and event.cid == answer.cid
            return None if same else Difference(job, f"the journal has rows {answer.cid}, packed again others", False)
        if isinstance(answer, on.RequestFailed):
            return self._compare_refusal(job, event)
        if not isinstance(event, on.ModelScored | ModelForged):
            reason = event.reason if isinstance(event, on.RequestFailed) else type(event).__name__
            return Difference(job, f"the journal has a result, executed again it fails ({reason})", False)
        texts: list[str] = []
        near: bool | None = True
        if event.weights != answer.weights:
            apart = self._apart(job, event.weights.cid)
            near = None if apart is None else apart <= MODEL_TOLERANCE
            amount = f", which differs by {apart:.1e} of what the job changed" if apart not in (None, inf) else ""
            texts.append(f"the journal has model {answer.weights.cid}, executed again {event.weights.cid}{amount}")
        if isinstance(answer, on.ModelScored) and isinstance(event, on.ModelScored) and event.score != answer.score:
            score, again = answer.score, event.score
            near = near and _near(score, again)
            texts.append(
                f"the journal has a score of {score.correct} of {score.total}, executed again "
                f"{again.correct} of {again.total}"
            )
        return Difference(job, "; ".join(texts), near) if texts else None

    def _compare_refusal(self, job: Job, event: on.Event) -> Difference | None:
        refused = job.refused_for
        assert refused
        again = event.similar.equal if isinstance(event, on.RequestFailed) and event.similar else None
        if again == refused.equal:
            return None
        texts = [f"{score.correct} of {score.total} rows" if score else "nothing" for score in (refused.equal, again)]
        text = f"the journal has equal predictions of it and {refused.cid} on {texts[0]}, compared again on {texts[1]}"
        return Difference(job, text, again is not None and _near(refused.equal, again))

    def _apart(self, job: Job, again: Cid) -> float | None:
        """How far the model of the journal is from the one that was made again; None: the run did not keep it."""
        cid = job.made
        assert cid
        if cid == again or isinstance(job.request, do.AverageModels | do.ScoreModel):
            return inf  # a digest of the same block, and an average, have the same bits on every processor
        block = self.kept.get(cid)
        if block is None:
            return None
        base = self._blocks[job.inputs[0]] if isinstance(job.request, do.TrainSlice) else None
        try:
            return relative_difference(self._network, base, block, self._blocks[again])
        except PortError:
            return inf


def _with_unknown_parents(model: ModelRef) -> ModelRef:
    parents = model.parents and replace(model.parents, cids=(NO_MODEL, NO_MODEL))
    return replace(model, parents=parents)


def _near(score: Score, again: Score) -> bool:
    rows = max(1, round(SCORE_TOLERANCE * score.total))
    return again.total == score.total and abs(again.correct - score.correct) <= rows


def _results(event: on.Event) -> tuple[Cid, ...]:
    if isinstance(event, RowsPacked):
        return (event.cid,)
    return (event.weights.cid,) if isinstance(event, on.ModelScored | ModelForged) else ()
