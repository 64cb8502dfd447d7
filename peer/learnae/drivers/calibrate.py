"""The simulator's cost model, taken out of the journals that a run left behind.

A journal replayed gives each request with the time it was asked for and the time its answer had its turn.  The model is
fitted to that as the simulator uses it (``drivers.sim``): the logarithm of a job's duration is that of the job's kind,
plus the peer's (``spread``), plus chance (``jitter``); a fetch is two crossings (``latency``) and the block's bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, median, stdev
from typing import get_args

from learnae.adapters.journal import Recorded, recorded
from learnae.adapters.rundir import RunDirectory
from learnae.bands import Band, Row, band
from learnae.config import Cost, Session, load
from learnae.core import actions as do
from learnae.core import events as on
from learnae.core.codec import decode, from_json
from learnae.core.replay import new_peer, retell
from learnae.drivers.audit import JOURNALS, ROSTER, SESSION, journals, members
from learnae.drivers.composition import Composition, Learning
from learnae.errors import InputError
from learnae.roster import names

WIDEST = 0.25  # of its mean, to either side: a wider band would hold anything
COMPARED = ("payments_mean", "success_rate", "accuracy_test_mean")
DIGITS = 4  # of a fitted number, significant ones


@dataclass(frozen=True)
class Taken:
    """One request that was answered.  ``seconds``: until the answer had its turn."""

    peer: str
    request: do.Request
    seconds: float


@dataclass(frozen=True)
class Compared:
    """A live value beside the same of simulated seeds."""

    metric: str
    live: float | None
    seeds: Band

    @property
    def width(self) -> float:
        """Of the band, to the farther side, as a share of its mean."""
        return max(self.seeds.most - self.seeds.mean, self.seeds.mean - self.seeds.least) / self.seeds.mean

    @property
    def inside(self) -> bool:
        return self.live is not None and self.seeds.least <= self.live <= self.seeds.most

    @property
    def holds(self) -> bool:
        return self.inside and self.width <= WIDEST


def left_behind(run: Path, learning: Learning) -> dict[str, Recorded]:
    """The journals of a run, by peer: a live one's SQLite files, or what ``adapters.rundir`` writes.

    Raises InputError: there are none, or they are damaged.
    """
    if (run / ROSTER).is_file():
        _, everybody = members(run)
        told = {name: recorded(path) for name, path in journals(run, everybody).items()}
    else:
        told = dict(_exported(run, learning))
    if not told:
        raise InputError(f"{run} holds no {JOURNALS}: calibrate a run whose peers left some")
    return told


def taken(name: str, told: Recorded) -> Iterator[Taken]:
    """What was asked and answered in one life of a peer; failures took as long as a deadline, and are left out."""
    asked: dict[int, tuple[do.Request, float]] = {}
    for number, (event, actions) in enumerate(retell(new_peer(told.config), told.entries)):
        if number in told.restarts:
            asked.clear()
        if isinstance(event, on.Answer) and event.request in asked:
            request, at = asked.pop(event.request)
            if not isinstance(event, on.RequestFailed):
                yield Taken(name, request, event.at - at)
        asked |= {action.request: (action, event.at) for action in actions if isinstance(action, do.Request)}


def fitted(session: Session, learning: Learning, told: Mapping[str, Recorded]) -> Session:
    """The session with the costs and the latency of the run.  Raises InputError if nothing was trained or averaged."""
    took = [each for name, recorded in told.items() for each in taken(name, recorded) if each.seconds > 0]
    work: dict[type[do.Request], dict[str, list[float]]] = {do.TrainSlice: {}, do.AverageModels: {}}
    for each in took:
        if type(each.request) in work:
            units = _units(session, learning, each) if isinstance(each.request, do.TrainSlice) else 1.0
            work[type(each.request)].setdefault(each.peer, []).append(log(each.seconds / units))
    if not all(work.values()):
        raise InputError("nobody trained and averaged in these journals: calibrate a run that came further")
    (train, average), spread, jitter = _explained(list(work.values()))
    calls = [each.seconds for each in took if isinstance(each.request, get_args(do.ChainAction))]
    fetches = [each.seconds for each in took if isinstance(each.request, do.FetchModel) and each.request.creator]
    transfer = len(learning.initial_block(next(iter(told)))) / session.network.bandwidth
    latency = max(0.0, median(fetches) - transfer) / 2
    cost = Cost(*map(_rounded, (exp(train), exp(average), median(calls or [0.0]), spread, jitter)))
    return replace(session, cost=cost, network=replace(session.network, latency=_rounded(latency)))


def compared(live: Row, seeds: Iterable[Row]) -> list[Compared]:
    rows = list(seeds)
    bands = {metric: band(rows, metric) for metric in COMPARED}
    return [Compared(metric, live[metric], found) for metric, found in bands.items() if found]


# in here


def _exported(run: Path, learning: Learning) -> Iterator[tuple[str, Recorded]]:
    """From JSON lines, and what each peer was told from the session and the roster in the history."""
    history = RunDirectory(run).read()
    ids = {name: (entry.peer, entry.wallet) for name, entry in history.roster.items()}
    composition = Composition(load(run / SESSION), learning, ids.__getitem__)
    if not history.began or history.began.manifest != composition.session_id:
        raise InputError(f"{run} is of a session with other rows or settings than are here: calibrate it where it ran")
    for index, name in enumerate(ids):
        path = run / JOURNALS / f"{name}.jsonl"
        if path.is_file():
            lines = [from_json(line) for line in path.read_text().splitlines()]
            entries = [(decode(on.Event, line), digest) for line in lines if (digest := line.pop("digest"))]
            yield name, Recorded(composition.config(index), entries, [])


def _units(session: Session, learning: Learning, each: Taken) -> float:
    """Rows times epochs of a slice."""
    rows = learning.rows(names(session.peers).index(each.peer))
    return rows // session.work.slices * session.model.epochs


def _explained(work: list[dict[str, list[float]]]) -> tuple[list[float], float, float]:
    """Of logarithms, by kind and peer: the mean of each kind, the deviation of the peers, and that of the rest."""
    means = [fmean(map(fmean, of_kind.values())) for of_kind in work]
    off: dict[str, list[float]] = {}
    for of_kind, mean in zip(work, means, strict=True):
        for peer, found in of_kind.items():
            off.setdefault(peer, []).extend(each - mean for each in found)
    peers = {peer: fmean(values) for peer, values in off.items()}
    rest = [each - peers[peer] for peer, values in off.items() for each in values]
    spread = stdev(peers.values()) if len(peers) > 1 else 0.0
    return means, spread, sqrt(fmean(each * each for each in rest))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
