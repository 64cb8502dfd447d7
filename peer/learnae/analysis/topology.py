"""Who averages whose model, which links are cut right now, and who is down.

Known from the records alone: what was averaged, and the faults that began and have not ended.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from learnae.analysis.checks.faults import SeenFault, seen_faults
from learnae.analysis.peer_status import PeerStatus
from learnae.protocol.decisions import Averaged
from learnae.records.history import History
from learnae.session.faults import Fault, FaultKind, FaultState, FaultWindow, state

LAST = 2  # averagings of each peer that are drawn, of those it kept and of the others
LINKS = 200  # disturbed links that are drawn
MANY, WALLS = 60, 8  # so many links are a haze: what they keep apart is drawn instead, if it is a few groups

Pair = tuple[str, str]  # in the order of the roster


@dataclass(frozen=True)
class ModelTransfer:
    """A model of ``creator`` that ``peer`` averaged with its own."""

    creator: str
    peer: str
    t: float
    kept: bool


@dataclass(frozen=True)
class Topology:
    """``cut``: nothing gets through, in one direction at least.  ``poor``: lossy or slow.  ``away``: why, by name."""

    standing: Sequence[PeerStatus]
    travels: Sequence[ModelTransfer]
    cut: Sequence[Pair]
    poor: Sequence[Pair]
    away: dict[str, str]

    @property
    def names(self) -> list[str]:
        return [each.entry.name for each in self.standing]

    @cached_property
    def groups(self) -> list[list[str]]:
        """That cannot reach each other."""
        return reachable(self.names, self.cut)

    @property
    def walled(self) -> bool:
        """Whether groups are divided by a line each instead of by all the links that are cut between them."""
        return len(self.cut) > MANY and 1 < len(self.groups) <= WALLS

    @cached_property
    def cut_drawn(self) -> list[Pair]:
        """Those links that are cut and must be drawn one by one."""
        if not self.walled:
            return list(self.cut)
        group = {name: number for number, names in enumerate(self.groups) for name in names}
        return [(one, other) for one, other in self.cut if group[one] == group[other]]

    @property
    def share(self) -> float:
        """Of the links to be drawn, how many are."""
        return min(1.0, LINKS / max(1, len(self.cut_drawn) + len(self.poor)))

    @property
    def outcome(self) -> str:
        """In words."""
        kinds = (self.cut, "cut"), (self.poor, "lossy or slow")
        links = [f"{len(some):,} {'link is' if len(some) == 1 else 'links are'} {how}" for some, how in kinds if some]
        away = [f"{name} is {why}" for name, why in self.away.items()]
        part = f" {len(self.groups)} groups that cannot reach each other are divided by lines." if self.walled else ""
        part += "" if self.share == 1 else f" Of disturbed links {self.share:.0%} are drawn."
        return ", ".join(links or ["no link is cut"]).capitalize() + "".join(f"; {each}" for each in away) + "." + part


def topology(history: History, standing: Sequence[PeerStatus]) -> Topology:
    names = [each.entry.name for each in standing]
    now = _now(history, names)
    cut = list(_pairs(names, {pair for pair, link in now.links.items() if link.loss == 1.0}))
    hindered = set(now.links) - {(one, other) for pair in cut for one, other in (pair, pair[::-1])}
    away = {each.entry.name: "down" for each in standing if each.down}
    for component, fault in sorted(now.interrupted.items()):
        if fault.kind is FaultKind.PAUSE:
            away[component.peer] = "frozen"
        elif fault.kind is FaultKind.IPFS_STOP:
            away.setdefault(component.peer, "without its Kubo node")
    return Topology(standing, list(_travels(history, _since(history))), cut, list(_pairs(names, hindered)), away)


def reachable(names: Sequence[str], cut: Iterable[Pair]) -> list[list[str]]:
    """Who can still be reached from whom, perhaps through others; each group and the groups in the order of names."""
    apart = {frozenset(pair) for pair in cut}
    left, groups = list(names) if apart else [], [] if apart else [list(names)]
    while left:
        group = [left.pop(0)]
        for one in group:  # grows
            near = [other for other in left if frozenset((one, other)) not in apart]
            group += near
            left = [other for other in left if other not in near]
        found = set(group)
        groups.append([name for name in names if name in found])
    return groups


# in here


def _open(history: History) -> list[SeenFault]:
    return [] if history.ended_by else [each for each in seen_faults(history) if each.end is None]


def _since(history: History) -> float:
    """When links were disturbed last, if they still are."""
    return max((each.begin for each in _open(history) if each.began.fault.network), default=0.0)


def _now(history: History, names: Sequence[str]) -> FaultState:
    """What the faults amount to that are open; how lossy or slow a link is, no record says."""
    windows = [
        FaultWindow(Fault(each.began.fault, 0.0), 0.0, math.inf, each.began.targets, _sides(each, names))
        for each in _open(history)
    ]
    return state(windows, 0.0, names) if windows else FaultState()


def _sides(fault: SeenFault, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Everybody is on a side, if there are any."""
    told = {name for side in fault.began.sides for name in side}
    rest = tuple(name for name in names if name not in told)
    return (*fault.began.sides, rest) if told else ()


def _pairs(names: Sequence[str], links: Iterable[Pair]) -> Iterator[Pair]:
    """Whichever way they lead, once."""
    either = {frozenset(pair) for pair in links}
    return (pair for pair in combinations(names, 2) if frozenset(pair) in either) if either else iter(())


def _travels(history: History, since: float) -> Iterator[ModelTransfer]:
    """The last few of each peer, the newest first."""
    names = {entry.peer: entry.name for entry in history.roster.values()}
    count: Counter[tuple[str, bool]] = Counter()
    for record, fact in reversed(list(history.facts(Averaged))):
        if record.t >= since and fact.creator in names and count[record.peer, fact.adopted] < LAST:
            count[record.peer, fact.adopted] += 1
            yield ModelTransfer(names[fact.creator], record.peer, record.t, fact.adopted)
