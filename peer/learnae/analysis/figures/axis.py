"""A session along one axis: the values of each honest peer at each point, and their combination."""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, chain, pairwise, repeat
from operator import sub
from typing import Generic, Literal, TypeVar

from learnae.analysis.figures.spec import Points
from learnae.protocol.decisions import Averaged, Trained
from learnae.protocol.types import Cid
from learnae.records.fold import Fold
from learnae.records.history import History, Record, kept_score

View = Literal["units", "seconds"]
T = TypeVar("T")
Steps = tuple[Sequence[float], Sequence[float]]  # positions, in order; the value from each of them on

TRAINING, AVERAGING, FINISHED = "training", "averaging", "finished"
SECONDS = 240  # intervals of an axis of seconds
WINDOW = {"units": 2, "seconds": 6}  # points on either side that a share is averaged over
LABEL = {"units": "work units completed per peer (slices trained, averagings scored)", "seconds": "session time (s)"}


@dataclass
class Track(Generic[T]):
    """Values of a peer, each with the second from which it counts and the work units completed by then."""

    seconds: list[float] = field(default_factory=list)
    units: list[float] = field(default_factory=list)
    values: list[T] = field(default_factory=list)

    def add(self, second: float, unit: float, value: T) -> None:
        self.seconds.append(second)
        self.units.append(unit)
        self.values.append(value)


class WorkDone(Fold):
    """The work of each peer, and what it had achieved after each unit."""

    kinds = (Trained, Averaged)

    def __init__(self, history: History) -> None:
        self.work: dict[str, Track[str]] = defaultdict(Track)  # the kind of each unit
        self.scores: dict[str, Track[float]] = defaultdict(Track)  # of the models that it kept, on its validation data
        self.success: dict[str, Track[float]] = defaultdict(Track)  # the share of its averagings that it has kept
        self.made_at: dict[tuple[str, Cid], float] = {}  # these models
        self._kept: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        fact, peer = record.fact, record.peer
        assert isinstance(fact, Trained | Averaged)
        unit = float(len(self.work[peer].values) + 1)
        self.work[peer].add(record.t, unit, TRAINING if isinstance(fact, Trained) else AVERAGING)
        if score := kept_score(fact):
            self.scores[peer].add(record.t, unit, score.accuracy)
            self.made_at[peer, fact.cid] = record.t
        if isinstance(fact, Averaged):
            self._kept[peer] += fact.adopted
            self.success[peer].add(record.t, unit, self._kept[peer] / (len(self.success[peer].values) + 1))


def work_units(history: History) -> dict[str, Track[str]]:
    """The kind of each unit of each honest peer that worked."""
    honest = set(history.honest)
    return {peer: work for peer, work in history.folded(WorkDone).work.items() if peer in honest}


class TimeAxis:
    def __init__(self, history: History, view: View) -> None:
        self.view: View = view
        self.label = LABEL[view]
        self.units = work_units(history)
        length = max((len(work.values) for work in self.units.values()), default=0)
        self.grid: Points = tuple(float(unit) for unit in range(length + 1))
        if view == "seconds":
            self.grid = tuple(history.seconds * point / SECONDS for point in range(SECONDS + 1))
        self._middles = [(a + b) / 2 for a, b in pairwise(self.grid)]

    def position(self, peer: str, t: float) -> float:
        """The position of the peer on the axis at session second ``t``."""
        return t if self.view == "seconds" else float(self._completed(peer, t))

    def steps(self, track: Track[float] | None) -> Steps:
        if track is None:
            return [], []
        return track.seconds if self.view == "seconds" else track.units, track.values

    def shares(self) -> tuple[Points, dict[str, Points]]:
        """Share of the peers at each kind of work, averaged over a symmetric window.

        The ends of the axis, where no window fits, have the value of the nearest window.
        """
        rows = [self._kinds(peer) for peer in self.units]
        counts = [Counter(column) for column in zip(*rows, strict=True)]
        width, x = WINDOW[self.view], []
        shares: dict[str, list[float]] = {TRAINING: [], AVERAGING: [], FINISHED: []}
        for at in range(1, len(self.grid) - 1) if rows else ():
            half = min(width, at, len(self.grid) - 1 - at)
            x.append(self.grid[at])
            for kind, share in shares.items():
                total = sum(count[kind] for count in counts[at - half : at + half])
                share.append(total / (2 * half * len(rows)))
        if x:
            x = [self.grid[0], *x, self.grid[-1]]
            shares = {kind: [share[0], *share, share[-1]] for kind, share in shares.items()}
        return tuple(x), {kind: tuple(share) for kind, share in shares.items()}

    def over(self, steps: Sequence[Steps], *combine: Callable[[list[float]], float]) -> tuple[Points, ...]:
        """Grid points, from the first with a value, and the peers' values combined in each way."""
        columns = zip(self.grid, *(self._carried(peer_steps) for peer_steps in steps), strict=True)
        known = [(at, [value for value in values if value is not None]) for at, *values in columns]
        known = [(at, values) for at, values in known if values]
        return tuple(at for at, _ in known), *(tuple(function(values) for _, values in known) for function in combine)

    def _carried(self, steps: Steps) -> list[float | None]:
        """The value at each grid point, carried forward."""
        positions, values = steps
        return _filled(self.grid, positions, [None, *values], len(self.grid))

    def _completed(self, peer: str, t: float) -> int:
        return bisect_right(self.units[peer].seconds, t) if peer in self.units else 0

    def _kinds(self, peer: str) -> list[str]:
        """The kind of work in each interval of the grid: of the n-th unit, or of the unit during those seconds."""
        work = self.units[peer]
        if self.view == "units":
            return work.values + [FINISHED] * (len(self.grid) - 1 - len(work.values))
        return _filled(self._middles, work.seconds, [*work.values, FINISHED], len(self._middles))


def _filled(grid: Sequence[float], positions: Sequence[float], values: Sequence[T], length: int) -> list[T]:
    """At each grid point, the value from the last position at or before it; the first value before all positions."""
    begins = list(accumulate(chain([0], map(partial(bisect_left, grid), positions)), max))
    lengths = map(sub, [*begins[1:], length], begins)
    return list(chain.from_iterable(map(repeat, values, lengths)))
