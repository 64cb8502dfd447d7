"""Fit the simulator's cost model to a live run, and test whether the run agrees with it.

The replay of a journal gives the time at which each request was issued and the time at which its answer was handled.
The model is fitted in the form in which the simulator uses it (``runtime.cost_model``): the logarithm of a job's
duration is the sum of a term for the kind of job, one for the peer (``speed_sigma``) and random variation
(``jitter``). A fetch takes twice the ``latency`` plus the transfer of the block. ``store`` and ``announce`` are
additional times until a block is stored and until an announcement arrives. ``late_delay_factor`` scales these delays
for peers that have trained all slices, because a shared machine is busiest while all peers train.

Delays are fitted by their means, not their medians: how late peers learn of a model decides how many attempts fail,
and rare long delays matter most. With medians, simulated sessions were too efficient.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from math import exp, inf, log, sqrt
from statistics import fmean, median, stdev
from typing import get_args

from learnae.adapters.sqlite_journal import JournalContents
from learnae.analysis.statistics import Band, Row, band
from learnae.errors import InputError, ReplayMismatch
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import Trained
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.replay import new_peer, replay_steps
from learnae.protocol.types import Cid
from learnae.runtime.learning import Learning
from learnae.session.roster import names
from learnae.session.settings import CostSettings, Session

Logarithms = dict[str, list[float]]  # of seconds, by peer
MAX_BAND_WIDTH = 0.25  # share of the mean, to either side: a wider band proves nothing
COMPARED_METRICS = ("payments_mean", "success_rate", "accuracy_test_mean")
DIGITS = 4  # significant digits of a fitted number
MIN_SECONDS = 1e-6  # a simulated job may take no time, which has no logarithm


PeerSteps = Sequence[tuple[on.Event, list[do.Action]]]  # each event of one peer, and the actions that it caused


@dataclass(frozen=True)
class RequestTiming:
    """One answered request.  ``seconds``: until the answer was handled.  ``late``: issued after the last slice."""

    peer: str
    request: do.Request
    seconds: float
    late: bool


@dataclass(frozen=True)
class ComparedMetric:
    """A value of the live run and the band of the same value over simulated seeds."""

    metric: str
    live: float | None
    seeds: Band

    @property
    def width(self) -> float:
        """Distance from the mean to the farther end of the band, as a share of the mean."""
        widest = max(self.seeds.max - self.seeds.mean, self.seeds.mean - self.seeds.min)
        return widest / self.seeds.mean if widest else 0.0  # all are 0 where nobody pays

    @property
    def inside(self) -> bool:
        return self.live is not None and self.seeds.min <= self.live <= self.seeds.max

    @property
    def holds(self) -> bool:
        return self.inside and self.width <= MAX_BAND_WIDTH


def request_timings(name: str, life: PeerSteps, restarts: Collection[int] = ()) -> Iterator[RequestTiming]:
    """Requests that were answered between two restarts.  Failures are left out: they last as long as a deadline."""
    open_requests: dict[int, tuple[do.Request, float]] = {}
    seen = last_slice_trained_at(life)
    for number, (event, actions) in enumerate(life):
        if number in restarts:
            open_requests.clear()
        if isinstance(event, on.Answer) and event.request in open_requests:
            request, at = open_requests.pop(event.request)
            if not isinstance(event, on.RequestFailed):
                yield RequestTiming(name, request, event.at - at, at >= seen)
        open_requests |= {action.request: (action, event.at) for action in actions if isinstance(action, do.Request)}


def last_slice_trained_at(life: PeerSteps) -> float:
    """When the peer trained its last slice."""
    facts = (
        (event.at, action.decision)
        for event, actions in life
        for action in actions
        if isinstance(action, do.RecordDecision)
    )
    return max((at for at, fact in facts if isinstance(fact, Trained)), default=inf)


def announcement_delays(lives: Collection[PeerSteps]) -> Iterator[tuple[float, bool]]:
    """Seconds from the first announcement of a model until another peer received it; whether it was a late one."""
    announced: dict[Cid, tuple[float, bool]] = {}
    for life in lives:
        seen = last_slice_trained_at(life)
        for event, actions in life:
            for action in actions:
                if isinstance(action, do.Announce) and isinstance(action.announcement, ModelAnnouncement):
                    announced.setdefault(action.announcement.model.weights.cid, (event.at, event.at >= seen))
    for event, _ in chain.from_iterable(lives):
        if isinstance(event, on.ModelReceived) and event.announcement.model.weights.cid in announced:
            at, late = announced[event.announcement.model.weights.cid]
            yield event.at - at, late


def fit_costs(session: Session, learning: Learning, contents: Mapping[str, JournalContents]) -> Session:
    """The session with the costs and the latency of the run.

    Raises InputError: nothing was trained or averaged, or another version wrote the journals.
    """
    try:
        lives = {name: list(replay_steps(new_peer(each.config), each.entries)) for name, each in contents.items()}
    except ReplayMismatch as error:
        raise InputError(f"these journals cannot be replayed: {error}") from None
    timings = [each for name, life in lives.items() for each in request_timings(name, life, contents[name].restarts)]
    (train, average), spread, jitter = _split_deviations(_work(session, learning, timings))

    fetch, announce, store = delays = (
        _means((each.seconds, each.late) for each in timings if _is_fetch(each.request)),
        _means(announcement_delays(lives.values())),
        _means((each.seconds, each.late) for each in timings if isinstance(each.request, do.StoreModel)),
    )
    transfer = len(learning.initial_block(next(iter(contents)))) / session.network.bandwidth
    latency = max(0.0, fetch[0] - transfer) / 2
    early, late = (sum(delay[when] for delay in delays if all(delay)) for when in (0, 1))
    by_variation = exp(jitter**2 / 2)  # factor by which random variation raises a mean
    calls = [each.seconds for each in timings if isinstance(each.request, get_args(do.ChainAction))]
    cost = CostSettings(
        train=_rounded(exp(train)),
        average=_rounded(exp(average)),
        chain_call=_rounded(median(calls or [0.0])),
        store=_rounded(max(0.0, store[0] - latency) / by_variation),
        announce=_rounded(max(0.0, announce[0] - latency) / by_variation),
        late_delay_factor=_rounded(late / early if early else 1.0),
        speed_sigma=_rounded(spread),
        jitter=_rounded(jitter),
    )
    return replace(session, cost=cost, network=replace(session.network, latency=_rounded(latency)))


def compare_with_seeds(live: Row, seeds: Iterable[Row]) -> list[ComparedMetric]:
    rows = list(seeds)
    bands = {metric: band(rows, metric) for metric in COMPARED_METRICS}
    return [ComparedMetric(metric, live[metric], found) for metric, found in bands.items() if found]


# private


def _work(session: Session, learning: Learning, timings: Iterable[RequestTiming]) -> list[Logarithms]:
    """Logarithms of the seconds per training row and epoch, and of those per average."""
    train, average, order = Logarithms(), Logarithms(), names(session.peers)
    for each in timings:
        if isinstance(each.request, do.TrainSlice):
            rows = learning.rows(order.index(each.peer)) // session.work.slices
            train.setdefault(each.peer, []).append(log(max(each.seconds, MIN_SECONDS) / (rows * session.model.epochs)))
        elif isinstance(each.request, do.AverageModels):
            average.setdefault(each.peer, []).append(log(max(each.seconds, MIN_SECONDS)))
    if not train or not average:
        raise InputError("no peer trained and averaged in these journals: calibrate a run that got further")
    return [train, average]


def _is_fetch(request: do.Request) -> bool:
    """Whether it fetches the model of another peer."""
    return isinstance(request, do.FetchModel) and request.model is not None


def _means(found: Iterable[tuple[float, bool]]) -> tuple[float, float]:
    """Mean of the early and of the late seconds; 0 for none."""
    kinds: tuple[list[float], list[float]] = ([], [])
    for seconds, late in found:
        kinds[late].append(seconds)
    return fmean(kinds[0] or [0.0]), fmean(kinds[1] or [0.0])


def _split_deviations(work: list[Logarithms]) -> tuple[list[float], float, float]:
    """Split logarithms into the mean of each kind, the deviation between peers, and the deviation of single jobs.

    The last is computed from differences between successive jobs (the mean square successive difference of von Neumann
    and others, 1941), because the load of the machine drifts, and drift is not random variation.  The part of the
    peers' differences that random variation explains is subtracted.
    """
    means = [fmean(map(fmean, of_kind.values())) for of_kind in work]
    off: dict[str, list[float]] = {}
    steps = list[float]()
    for of_kind, mean in zip(work, means, strict=True):
        for peer, found in of_kind.items():
            off.setdefault(peer, []).extend(each - mean for each in found)
            steps += [after - before for before, after in pairwise(found)]
    jitter = sqrt(fmean(step * step for step in steps) / 2) if steps else 0.0
    by_variation = fmean(jitter**2 / len(values) for values in off.values())
    spread = stdev(map(fmean, off.values())) if len(off) > 1 else 0.0
    return means, sqrt(max(0.0, spread**2 - by_variation)), jitter


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
