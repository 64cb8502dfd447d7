"""A session along one axis: the values of each honest peer at each point, and their combination."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import Literal, TypeVar

from learnae.analysis.figures.spec import Points
from learnae.protocol.decisions import Trained
from learnae.records.history import History

View = Literal["units", "seconds"]
T = TypeVar("T")
Steps = list[tuple[float, float]]  # (position, value from there on), in order

TRAINING, AVERAGING, FINISHED = "training", "averaging", "finished"
SECONDS = 240  # intervals of an axis of seconds
WINDOW = {"units": 2, "seconds": 6}  # points on either side that a share is averaged over
LABEL = {"units": "work units completed per peer (slices trained, averagings scored)", "seconds": "session time (s)"}


def work_units(history: History) -> dict[str, list[tuple[float, str]]]:
    """For each honest peer that worked: the second in which it completed each unit, and the unit's kind."""
    units: dict[str, list[tuple[float, str]]] = {}
    honest = set(history.honest)
    for record, fact in history.worked:
        if record.peer in honest:
            kind = TRAINING if isinstance(fact, Trained) else AVERAGING
            units.setdefault(record.peer, []).append((record.t, kind))
    return units


class TimeAxis:
    def __init__(self, history: History, view: View) -> None:
        self.view: View = view
        self.label = LABEL[view]
        self.units = work_units(history)
        length = max((len(units) for units in self.units.values()), default=0)
        self.grid: Points = tuple(float(unit) for unit in range(length + 1))
        if view == "seconds":
            self.grid = tuple(history.seconds * point / SECONDS for point in range(SECONDS + 1))

    def position(self, peer: str, t: float) -> float:
        """The position of the peer on the axis at session second ``t``."""
        return t if self.view == "seconds" else float(self._completed(peer, t))

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
        begins = accumulate([0, *(bisect_left(self.grid, position) for position, _ in steps)], max)
        return _filled(begins, [None, *(value for _, value in steps)], len(self.grid))

    def _completed(self, peer: str, t: float) -> int:
        return bisect_right(self.units[peer], t, key=itemgetter(0)) if peer in self.units else 0

    def _kinds(self, peer: str) -> list[str]:
        """The kind of work in each interval of the grid: of the n-th unit, or of the unit during those seconds."""
        kinds = [kind for _, kind in self.units[peer]] + [FINISHED]
        if self.view == "units":
            return [kinds[min(unit, len(kinds) - 1)] for unit in range(len(self.grid) - 1)]
        middles = [(a + b) / 2 for a, b in pairwise(self.grid)]
        begins = accumulate([0, *(bisect_left(middles, t) for t, _ in self.units[peer])], max)
        return _filled(begins, kinds, len(middles))


def _filled(begins: Iterable[int], values: Iterable[T], length: int) -> list[T]:
    """Each value repeated from its begin to the next begin."""
    ends = pairwise([*begins, length])
    return [value for (begin, end), value in zip(ends, values, strict=True) for _ in range(begin, end)]
