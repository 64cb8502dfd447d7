"""Who averages whose model, which links are disturbed now, and which peers are down.

Derived from the records alone: averagings, and faults that began and have not ended.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, count
from operator import itemgetter

from learnae.analysis.checks.faults import RecordedFault, recorded_faults
from learnae.analysis.peer_status import PeerStatus
from learnae.protocol.decisions import Averaged
from learnae.records.fold import Fold
from learnae.records.history import History, Record
from learnae.session.faults import Fault, FaultKind, FaultState, FaultWindow, state

MODELS_PER_PEER = 2  # averagings of each peer that are drawn, of those it kept and of those it dropped
MAX_PEERS = 60  # with more, only the last ones are drawn, because more curves than that cannot be told apart
MAX_LINKS = 200  # disturbed links that are drawn
MAX_LINES, MAX_GROUPS = 60, 8  # above MAX_LINES cut links, dividers between a few groups are clearer

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
    """``cut``: links that block a direction; ``poor``: lossy or slow links; ``unavailable``: the reason, by name."""

    peers: Sequence[PeerStatus]
    transfers: Sequence[ModelTransfer]
    cut: Sequence[Pair]
    poor: Sequence[Pair]
    unavailable: dict[str, str]

    @cached_property
    def groups(self) -> list[list[str]]:
        """Groups of peers that cannot reach each other."""
        return reachable_groups([status.entry.name for status in self.peers], self.cut)

    @property
    def has_dividers(self) -> bool:
        """Whether dividers between the groups replace the cut links between them."""
        return len(self.cut) > MAX_LINES and 1 < len(self.groups) <= MAX_GROUPS

    @cached_property
    def single_cuts(self) -> list[Pair]:
        """Cut links that no divider shows."""
        if not self.has_dividers:
            return list(self.cut)
        group = {name: number for number, names in enumerate(self.groups) for name in names}
        return [(one, other) for one, other in self.cut if group[one] == group[other]]

    @property
    def drawn_share(self) -> float:
        """The share of disturbed links that is drawn."""
        return min(1.0, MAX_LINKS / max(1, len(self.single_cuts) + len(self.poor)))

    @property
    def description(self) -> str:
        kinds = (self.cut, "cut"), (self.poor, "lossy or slow")
        links = [
            f"{len(pairs):,} {'link is' if len(pairs) == 1 else 'links are'} {kind}" for pairs, kind in kinds if pairs
        ]
        text = ", ".join(links) or "no link is cut"
        text += "".join(f"; {name} is {why}" for name, why in self.unavailable.items()) + "."
        if self.has_dividers:
            text += f" Dividers separate {len(self.groups)} groups that cannot reach each other."
            text += " Models from before the cut may still be averaged across a divider."
        if self.drawn_share < 1:
            text += f" Only {self.drawn_share:.0%} of the disturbed links are drawn."
        return text[0].upper() + text[1:]


def topology(history: History, peers: Sequence[PeerStatus]) -> Topology:
    names = [status.entry.name for status in peers]
    now = _fault_state(history, names)
    cut = list(_pairs(names, {pair for pair, link in now.links.items() if link.loss == 1.0}))
    hindered = set(now.links) - {(one, other) for pair in cut for one, other in (pair, pair[::-1])}
    unavailable = {status.entry.name: "down" for status in peers if status.down}
    for component, fault in sorted(now.interrupted.items()):
        if fault.kind is FaultKind.PAUSE:
            unavailable[component.peer] = "frozen"
        elif fault.kind.of_sensors:
            unavailable[component.peer] = "asleep" if fault.kind.pauses else "down"
        elif fault.kind is FaultKind.IPFS_STOP:
            unavailable.setdefault(component.peer, "without its Kubo node")
    transfers = _transfers(history, _disturbed_since(history))
    return Topology(peers, transfers, cut, list(_pairs(names, hindered)), unavailable)


def reachable_groups(names: Sequence[str], cut: Iterable[Pair]) -> list[list[str]]:
    """Peers that reach each other, directly or through others; members and groups in the order of ``names``."""
    blocked = {frozenset(pair) for pair in cut}
    if not blocked:
        return [list(names)]
    left, groups = list(names), []
    while left:
        group = [left.pop(0)]
        for one in group:  # grows meanwhile
            near = [other for other in left if frozenset((one, other)) not in blocked]
            group += near
            left = [other for other in left if other not in near]
        members = set(group)
        groups.append([name for name in names if name in members])
    return groups


# private


def _active(history: History) -> list[RecordedFault]:
    return [] if history.ended_by else [fault for fault in recorded_faults(history) if fault.end is None]


def _disturbed_since(history: History) -> float:
    """Begin of the latest active fault of the network."""
    return max((fault.begin for fault in _active(history) if fault.kind.network), default=0.0)


def _fault_state(history: History, names: Sequence[str]) -> FaultState:
    """The combined effect of the active faults; the records do not say how lossy or slow a link is."""
    windows = [
        FaultWindow(Fault(fault.kind, 0.0), 0.0, math.inf, fault.targets, _sides(fault, names))
        for fault in _active(history)
    ]
    return state(windows, 0.0, names) if windows else FaultState()


def _sides(fault: RecordedFault, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The sides of a split; all peers that are on no side form one more."""
    listed = {name for side in fault.sides for name in side}
    return (*fault.sides, tuple(name for name in names if name not in listed)) if listed else ()


def _pairs(names: Sequence[str], links: Iterable[Pair]) -> Iterator[Pair]:
    """Each pair once, whatever the direction of its links."""
    either = {frozenset(pair) for pair in links}
    return (pair for pair in combinations(names, 2) if frozenset(pair) in either) if either else iter(())


class _LastTransfers(Fold):
    """The last averagings of each peer that it kept, and the last that it dropped, with their order."""

    kinds = (Averaged,)

    def __init__(self, history: History) -> None:
        self.last: dict[tuple[str, bool], deque[tuple[int, ModelTransfer]]] = {}
        self._names = {entry.peer: entry.name for entry in history.roster.values()}
        self._most = MODELS_PER_PEER if len(self._names) <= MAX_PEERS else 1
        self._count = count()

    def add(self, record: Record) -> None:
        fact = record.fact
        assert isinstance(fact, Averaged)
        if creator := self._names.get(fact.creator):
            last = self.last.setdefault((record.peer, fact.adopted), deque(maxlen=self._most))
            last.append((next(self._count), ModelTransfer(creator, record.peer, record.t, fact.adopted)))


def _transfers(history: History, since: float) -> list[ModelTransfer]:
    """The last transfers of each peer, newest first."""
    last = sorted(chain.from_iterable(history.folded(_LastTransfers).last.values()), key=itemgetter(0), reverse=True)
    return [transfer for _, transfer in last if transfer.t >= since]
