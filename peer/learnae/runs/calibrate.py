"""The simulator's cost model, taken out of the journals that a run left behind.

A journal replayed gives each request with the time it was asked for and the time its answer had its turn.  The model is
fitted to that as the simulator uses it (``drivers.sim``): the logarithm of a job's duration is that of the job's kind,
plus the peer's (``speed_sigma``), plus chance (``jitter``); a fetch takes the ``latency`` twice and the transfer of the
block.  ``store`` and ``announce`` are the additional times until a block is stored and an announcement is received.
``late_delay_factor`` scales these three for peers that have trained all slices, because a shared machine is busiest
while all peers train.  How late others know of a model decides how much is tried in vain, and what comes late makes
more in vain than it delays: so delays are fitted by their means.  Sessions whose announcements were too quick came out
too efficient.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from math import exp, inf, log, sqrt
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, get_args

from learnae.adapters.run_directory import RunDirectory
from learnae.adapters.sqlite_journal import JournalContents, read_journal
from learnae.analysis.statistics import Band, Row, band
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION, journals, members
from learnae.errors import InputError, ReplayMismatch
from learnae.messages.codec import decode, from_json
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import Trained
from learnae.protocol.replay import new_peer, replay_steps
from learnae.protocol.types import Cid, ModelAnnouncement
from learnae.runtime.learning import Learning
from learnae.runtime.memory_session import MemorySession
from learnae.session.roster import names
from learnae.session.session_file import load
from learnae.session.settings import CostSettings, Session

Logarithms = dict[str, list[float]]  # by peer
WIDEST = 0.25  # of its mean, to either side: a wider band would hold anything
COMPARED = ("payments_mean", "success_rate", "accuracy_test_mean")
DIGITS = 4  # of a fitted number, significant ones
INSTANT = 1e-6  # s, the least that a job is taken to last: a simulated one may take no time


Life = Sequence[tuple[on.Event, list[do.Action]]]  # what a peer was told, and what it then did


@dataclass(frozen=True)
class RequestTiming:
    """One request that was answered.  ``seconds``: until the answer had its turn.  ``late``: when slices were seen."""

    peer: str
    request: do.Request
    seconds: float
    late: bool


@dataclass(frozen=True)
class ComparedMetric:
    """A live value beside the same of simulated seeds."""

    metric: str
    live: float | None
    seeds: Band

    @property
    def width(self) -> float:
        """Of the band, to the farther side, as a share of its mean."""
        widest = max(self.seeds.max - self.seeds.mean, self.seeds.mean - self.seeds.min)
        return widest / self.seeds.mean if widest else 0.0  # all may be 0, where nothing is to be paid

    @property
    def inside(self) -> bool:
        return self.live is not None and self.seeds.min <= self.live <= self.seeds.max

    @property
    def holds(self) -> bool:
        return self.inside and self.width <= WIDEST


def left_behind(run: Path, learning: Learning) -> dict[str, JournalContents]:
    """The journals of a run, by peer: a live one's SQLite files, or what ``adapters.rundir`` writes.

    Raises InputError: there are none, or they are damaged.
    """
    if (run / ROSTER).is_file():
        _, everybody = members(run)
        told = {name: read_journal(path) for name, path in journals(run, everybody).items()}
    else:
        told = dict(_exported(run, learning))
    if not told:
        raise InputError(f"{run} holds no {JOURNALS}: calibrate a run whose peers left some")
    return told


def taken(name: str, life: Life, restarts: Collection[int] = ()) -> Iterator[RequestTiming]:
    """What was asked and answered between two restarts; failures took as long as a deadline, and are left out."""
    asked: dict[int, tuple[do.Request, float]] = {}
    seen = slices_seen(life)
    for number, (event, actions) in enumerate(life):
        if number in restarts:
            asked.clear()
        if isinstance(event, on.Answer) and event.request in asked:
            request, at = asked.pop(event.request)
            if not isinstance(event, on.RequestFailed):
                yield RequestTiming(name, request, event.at - at, at >= seen)
        asked |= {action.request: (action, event.at) for action in actions if isinstance(action, do.Request)}


def slices_seen(life: Life) -> float:
    """When its last slice was trained."""
    facts = (
        (event.at, action.decision)
        for event, actions in life
        for action in actions
        if isinstance(action, do.RecordDecision)
    )
    return max((at for at, fact in facts if isinstance(fact, Trained)), default=inf)


def heard(lives: Collection[Life]) -> Iterator[tuple[float, bool]]:
    """Seconds from the first announcement of each model until another peer heard of it; whether it was a late one."""
    said: dict[Cid, tuple[float, bool]] = {}
    for life in lives:
        seen = slices_seen(life)
        for event, actions in life:
            for action in actions:
                if isinstance(action, do.Announce) and isinstance(action.announcement, ModelAnnouncement):
                    said.setdefault(action.announcement.model.weights.cid, (event.at, event.at >= seen))
    for event, _ in chain.from_iterable(lives):
        if isinstance(event, on.ModelReceived) and event.announcement.model.weights.cid in said:
            at, late = said[event.announcement.model.weights.cid]
            yield event.at - at, late


def fitted(session: Session, learning: Learning, told: Mapping[str, JournalContents]) -> Session:
    """The session with the costs and the latency of the run.

    Raises InputError: nothing was trained or averaged, or another core wrote the journals.
    """
    try:
        lives = {name: list(replay_steps(new_peer(each.config), each.entries)) for name, each in told.items()}
    except ReplayMismatch as error:
        raise InputError(f"these journals cannot be replayed: {error}") from None
    took = [each for name, life in lives.items() for each in taken(name, life, told[name].restarts)]
    (train, average), spread, jitter = _explained(_work(session, learning, took))

    fetch, announce, store = delays = (
        _means((each.seconds, each.late) for each in took if _is_fetch(each.request)),
        _means(heard(lives.values())),
        _means((each.seconds, each.late) for each in took if isinstance(each.request, do.StoreModel)),
    )
    transfer = len(learning.initial_block(next(iter(told)))) / session.network.bandwidth
    latency = max(0.0, fetch[0] - transfer) / 2
    early, late = (sum(delay[when] for delay in delays if all(delay)) for when in (0, 1))
    by_chance = exp(jitter**2 / 2)  # what it makes of a mean
    calls = [each.seconds for each in took if isinstance(each.request, get_args(do.ChainAction))]
    cost = CostSettings(
        train=_rounded(exp(train)),
        average=_rounded(exp(average)),
        chain_call=_rounded(median(calls or [0.0])),
        store=_rounded(max(0.0, store[0] - latency) / by_chance),
        announce=_rounded(max(0.0, announce[0] - latency) / by_chance),
        late_delay_factor=_rounded(late / early if early else 1.0),
        speed_sigma=_rounded(spread),
        jitter=_rounded(jitter),
    )
    return replace(session, cost=cost, network=replace(session.network, latency=_rounded(latency)))


def compared(live: Row, seeds: Iterable[Row]) -> list[ComparedMetric]:
    rows = list(seeds)
    bands = {metric: band(rows, metric) for metric in COMPARED}
    return [ComparedMetric(metric, live[metric], found) for metric, found in bands.items() if found]


# in here


def _exported(run: Path, learning: Learning) -> Iterator[tuple[str, JournalContents]]:
    """From JSON lines, and what each peer was told from the session and the roster in the history."""
    history = RunDirectory(run).read()
    ids = {name: (entry.peer, entry.wallet) for name, entry in history.roster.items()}
    setup = MemorySession(load(run / SESSION), learning, ids.__getitem__)
    if not history.began or history.began.manifest != setup.session_id:
        raise InputError(f"{run} is of a session with other rows or settings than are here: calibrate it where it ran")
    for index, name in enumerate(ids):
        path = run / JOURNALS / f"{name}.jsonl"
        if path.is_file():
            try:
                entries = [_entry(from_json(line)) for line in path.read_text().splitlines()]
            except (ValueError, KeyError) as error:
                raise InputError(f"{path} is damaged ({error}): calibrate a run as it was left") from None
            yield name, JournalContents(setup.config(index), entries, [])


def _entry(line: dict[str, Any]) -> tuple[on.Event, str]:
    digest: str = line.pop("digest")
    return decode(on.Event, line), digest


def _work(session: Session, learning: Learning, took: Iterable[RequestTiming]) -> list[Logarithms]:
    """Of the seconds of a training row and epoch, and of an average."""
    train, average, order = Logarithms(), Logarithms(), names(session.peers)
    for each in took:
        if isinstance(each.request, do.TrainSlice):
            rows = learning.rows(order.index(each.peer)) // session.work.slices
            train.setdefault(each.peer, []).append(log(max(each.seconds, INSTANT) / (rows * session.model.epochs)))
        elif isinstance(each.request, do.AverageModels):
            average.setdefault(each.peer, []).append(log(max(each.seconds, INSTANT)))
    if not train or not average:
        raise InputError("nobody trained and averaged in these journals: calibrate a run that came further")
    return [train, average]


def _is_fetch(request: do.Request) -> bool:
    """Of another peer's model."""
    return isinstance(request, do.FetchModel) and request.creator is not None


def _means(found: Iterable[tuple[float, bool]]) -> tuple[float, float]:
    """Of the early and of the late seconds; 0 for none."""
    kinds: tuple[list[float], list[float]] = ([], [])
    for seconds, late in found:
        kinds[late].append(seconds)
    return fmean(kinds[0] or [0.0]), fmean(kinds[1] or [0.0])


def _explained(work: list[Logarithms]) -> tuple[list[float], float, float]:
    """Of logarithms, by kind and peer: the mean of each kind, the deviation of the peers, and that of each job alone.

    The last is taken from how much a job differs from the one before it (the mean square successive difference of von
    Neumann and others, 1941): a machine that is busy while all train and idle when most are done drifts, and drift is
    not chance.  What chance alone makes of the peers' means is no difference between peers.
    """
    means = [fmean(map(fmean, of_kind.values())) for of_kind in work]
    off: dict[str, list[float]] = {}
    steps = list[float]()
    for of_kind, mean in zip(work, means, strict=True):
        for peer, found in of_kind.items():
            off.setdefault(peer, []).extend(each - mean for each in found)
            steps += [after - before for before, after in pairwise(found)]
    jitter = sqrt(fmean(step * step for step in steps) / 2) if steps else 0.0
    by_chance = fmean(jitter**2 / len(values) for values in off.values())
    spread = stdev(map(fmean, off.values())) if len(off) > 1 else 0.0
    return means, sqrt(max(0.0, spread**2 - by_chance)), jitter


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
