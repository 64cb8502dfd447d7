"""Faults as data: what goes wrong, when and to whom (DESIGN section 7).  Pure: one plan for simulator and Compose.

A ``Fault`` is what a scenario says; ``plan`` turns it into ``FaultWindow``s with named targets.  What the world should
be like at any moment follows from the windows open then (``state``), so faults that overlap add up, and healing one
cannot heal another.  Times are session seconds from when the last of the expected peers is at work for the first time,
so that a slow start shifts nothing.

    windows = plan([Fault(Kind.SPLIT, at=20, duration=60, targets="half")], names, seed=7)
    state(windows, 30.0, names).links[sender, receiver]     # Link(loss=1.0): nothing gets through
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from learnae.errors import InputError


class FaultKind(StrEnum):
    # links, by the pods' link agents
    CUT = "cut"  # targets from everybody else; among themselves they go on
    SPLIT = "split"  # the swarm into ``groups``, each apart from the others; with targets: these and the rest
    ISOLATE = "isolate"  # each target from everybody
    LOSS = "loss"  # of what reaches a target, with ``probability``
    SLOW = "slow"  # what reaches a target comes ``delay`` later and at most with ``bandwidth``
    # lives, by whoever runs the containers
    KILL = "kill"  # at once, and started again at the end
    STOP = "stop"  # told to stop, and started again at the end
    PAUSE = "pause"  # frozen
    IPFS_STOP = "ipfs-stop"  # its Kubo node, started again at the end
    CHAIN_PAUSE = "chain-pause"  # frozen: answers nothing, mines nothing
    CHAIN_STOP = "chain-stop"  # stopped, and started again with all it had
    CHAIN_KILL = "chain-kill"  # killed, and started again without its last ``blocks``

    @property
    def network(self) -> bool:
        return self in (FaultKind.CUT, FaultKind.SPLIT, FaultKind.ISOLATE, FaultKind.LOSS, FaultKind.SLOW)

    @property
    def chain(self) -> bool:
        return self in (FaultKind.CHAIN_PAUSE, FaultKind.CHAIN_STOP, FaultKind.CHAIN_KILL)


ROLLING = "rolling"
SHARES = {"minority": 0.25, "half": 0.5, "all": 1.0}
LEAST = 1.0  # s from a stop to the start after it, and of a turn
DAY = 86_400.0  # s
LEAST_DELAY, LONGEST_DELAY = 1e-3, 60.0  # s
LEAST_BANDWIDTH, MOST_BANDWIDTH = 1e3, 1e9  # bytes/s, that a kernel can hold to
LEAST_LOSS = 1e-4


@dataclass(frozen=True, slots=True)
class Fault:
    """``targets``: names; or one, minority (a quarter), half, all, random (``share`` of the peers), by the plan's dice;
    or rolling: ``share`` of the peers for ``every`` seconds, then the next as many, for ``duration`` in all.
    """

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # noqa: RUF012
    kind: FaultKind
    at: float  # s after the start rule was met
    duration: float = 0.0  # s; lives and the chain: at least a second
    targets: str | tuple[str, ...] = "one"
    share: float = 0.3  # of the peers: random and rolling
    every: float = 15.0  # s: rolling
    groups: int = 2  # split
    one_way: bool = False  # cut, isolate: targets are not heard and hear
    probability: float = 0.5  # loss
    delay: float = 0.0  # s: slow
    bandwidth: float = 0.0  # bytes/s, 0: no limit: slow
    blocks: int = 3  # chain-kill


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """One fault on its targets.  ``sides``: who may still talk with each other, for a split."""

    fault: Fault
    begin: float
    end: float
    targets: tuple[str, ...]
    sides: tuple[tuple[str, ...], ...] = ()

    def open(self, at: float) -> bool:
        return self.begin <= at < self.end

    @property
    def kind(self) -> FaultKind:
        return self.fault.kind


@dataclass(frozen=True, slots=True)
class Link:
    """What happens on the way from one peer to another.  ``loss`` 1.0: it is cut."""

    loss: float = 0.0
    delay: float = 0.0  # s
    bandwidth: float = 0.0  # bytes/s, 0: no limit

    def worse(self, other: "Link") -> "Link":
        """Both at once."""
        limits = [each for each in (self.bandwidth, other.bandwidth) if each]
        kept = (1.0 - self.loss) * (1.0 - other.loss)
        return Link(1.0 - kept, self.delay + other.delay, min(limits, default=0.0))


CUT = Link(loss=1.0)
Links = dict[tuple[str, str], Link]


@dataclass(frozen=True, slots=True)
class FaultState:
    """What the world should be like; empty: all is well.  ``links``: from sender to receiver, where not as ever."""

    links: Links = field(default_factory=dict)
    dead: frozenset[str] = frozenset()  # peers, by kill or stop
    frozen: frozenset[str] = frozenset()  # peers
    ipfs_down: frozenset[str] = frozenset()  # peers whose Kubo node is
    chain: Fault | None = None


def plan(faults: Iterable[Fault], names: Sequence[str], seed: int) -> tuple[FaultWindow, ...]:
    """In order of time.  Each fault has dice of its own, so that adding one moves no other.  Raises InputError."""
    windows: list[FaultWindow] = []
    for index, fault in enumerate(faults):
        _check(index, fault, names)
        windows += _windows(fault, list(names), random.Random(f"{seed} fault {index}"))
    return tuple(sorted(windows, key=lambda window: (window.begin, window.end)))


def boundaries(windows: Iterable[FaultWindow]) -> list[float]:
    """When something begins or ends."""
    return sorted({moment for window in windows for moment in (window.begin, window.end)})


def state(windows: Iterable[FaultWindow], at: float, names: Sequence[str]) -> FaultState:
    """What all windows open then amount to.  Of faults of the chain, the one that began last."""
    now = [window for window in windows if window.open(at)]
    links: Links = {}
    for window in now:
        for pair, link in _links(window, names) if window.kind.network else ():
            links[pair] = links.get(pair, Link()).worse(link)

    def hit(*kinds: FaultKind) -> frozenset[str]:
        return frozenset(name for window in now if window.kind in kinds for name in window.targets)

    chain = [window.fault for window in now if window.kind.chain]
    return FaultState(
        links,
        hit(FaultKind.KILL, FaultKind.STOP),
        hit(FaultKind.PAUSE),
        hit(FaultKind.IPFS_STOP),
        chain[-1] if chain else None,
    )


def timeline(windows: Sequence[FaultWindow], width: int = 60) -> list[str]:
    """A line a window, for people: when, what, to whom."""
    last = max((window.end for window in windows), default=0.0) or 1.0
    lines = []
    for window in windows:
        begin = min(int(window.begin / last * width), width - 1)
        length = max(1, round((window.end - window.begin) / last * width))
        bar = "." * begin + "#" * min(length, width - begin)
        who = "the chain" if window.kind.chain else _listed(window)
        lines.append(f"{window.begin:7.1f} - {window.end:7.1f} s  {bar:.<{width}}  {window.kind} {who}")
    return lines


# in here

ALONE = "targets: everybody, so that nobody is left to be cut off from: name fewer"


def _check(index: int, fault: Fault, names: Sequence[str]) -> None:
    where = f"fault {index + 1} ({fault.kind})"
    complaints = [
        (not (0 <= fault.at <= DAY and 0 <= fault.duration <= DAY), f"at and duration: 0 to {DAY:.0f} s"),
        *_complaints_about_targets(fault, names),
        (not 0 < fault.share <= 1, "share: above 0, at most 1"),
        (not LEAST_LOSS <= fault.probability <= 1, f"probability: from {LEAST_LOSS:g} to 1"),
        (
            fault.delay != 0 and not LEAST_DELAY <= fault.delay <= LONGEST_DELAY,
            f"delay: {LEAST_DELAY:g} to {LONGEST_DELAY:.0f} s, or 0 for none",
        ),
        (
            fault.bandwidth != 0 and not LEAST_BANDWIDTH <= fault.bandwidth <= MOST_BANDWIDTH,
            f"bandwidth: {LEAST_BANDWIDTH:.0f} to {MOST_BANDWIDTH:.0f} bytes/s, or 0 for no limit",
        ),
        (fault.targets == ROLLING and not fault.every >= LEAST, f"every: {LEAST:.0f} s or more"),
        (
            fault.kind is FaultKind.SPLIT and not 2 <= fault.groups <= len(names),
            f"groups: from 2 to the number of peers, {len(names)}",
        ),
        (
            (fault.kind.network or fault.targets == ROLLING) and fault.duration == 0,
            "duration: above 0 s, or nothing happens",
        ),
        (fault.kind is FaultKind.SLOW and fault.delay == fault.bandwidth == 0, "give a delay or a bandwidth"),
        (fault.kind is FaultKind.CHAIN_KILL and fault.blocks < 0, "blocks: 0 or more"),
    ]
    for wrong, sentence in complaints:
        if wrong:
            raise InputError(f"{where}: {sentence}")


def _complaints_about_targets(fault: Fault, names: Sequence[str]) -> list[tuple[bool, str]]:
    targets, known = fault.targets, ("one", "random", ROLLING, *SHARES)
    if not isinstance(targets, str):
        unknown = [each for each in targets if each not in names]
        return [
            (not targets, 'targets: name a peer, such as ["p01"], or leave them out for one by the dice'),
            (bool(unknown), f"{', '.join(unknown)}: not in this swarm of {names[0]} to {names[-1]}"),
            (len(set(targets)) < len(targets), "targets: a peer is named twice: take it out"),
            (_parting(fault) and len(targets) == len(names), ALONE),
        ]
    everybody = targets in ("all", "random") and int(SHARES.get(targets, fault.share) * len(names)) == len(names)
    return [
        (targets in names, f'targets: write a list, ["{targets}"]'),
        (targets not in known, f"targets: a list of names, or {', '.join(known)}"),
        (_parting(fault) and everybody, ALONE),
        (
            targets == ROLLING and _many(fault, names) >= len(names),
            'share: rolling leaves somebody out at each turn: lower it, or take targets = "all"',
        ),
    ]


def _parting(fault: Fault) -> bool:
    """Its targets from the rest."""
    return fault.kind in (FaultKind.CUT, FaultKind.SPLIT)


def _many(fault: Fault, names: Sequence[str]) -> int:
    """At each turn."""
    return max(1, round(fault.share * len(names)))


def _windows(fault: Fault, names: list[str], dice: random.Random) -> list[FaultWindow]:
    end = fault.at + (fault.duration if fault.kind.network else max(LEAST, fault.duration))
    if fault.kind.chain:
        return [FaultWindow(fault, fault.at, end, ())]
    if fault.targets == ROLLING:
        dice.shuffle(names)
        return [_apart(fault, begin, stop, who, names) for begin, stop, who in _turns(fault, names)]
    if fault.kind is FaultKind.SPLIT and fault.targets == "one":  # the default: groups of equal size
        dice.shuffle(names)
        sides = tuple(tuple(sorted(names[group :: fault.groups])) for group in range(fault.groups))
        return [FaultWindow(fault, fault.at, end, tuple(sorted(names)), sides)]
    return [_apart(fault, fault.at, end, _targets(fault, names, dice), names)]


def _apart(fault: Fault, begin: float, end: float, targets: tuple[str, ...], names: Sequence[str]) -> FaultWindow:
    """A split of named peers parts them from the rest."""
    rest = tuple(sorted(name for name in names if name not in targets))
    return FaultWindow(fault, begin, end, targets, (targets, rest) if fault.kind is FaultKind.SPLIT else ())


def _turns(fault: Fault, order: list[str]) -> Iterable[tuple[float, float, tuple[str, ...]]]:
    """Everybody in turn, so many at a time."""
    many, end = _many(fault, order), fault.at + fault.duration
    begin, turn = fault.at, 0
    while begin < end:
        chosen = [order[(turn * many + place) % len(order)] for place in range(many)]
        yield begin, min(begin + fault.every, end), tuple(sorted(chosen))
        begin, turn = begin + fault.every, turn + 1


def _targets(fault: Fault, names: list[str], dice: random.Random) -> tuple[str, ...]:
    if isinstance(fault.targets, tuple):
        return fault.targets
    share = SHARES.get(fault.targets, fault.share)
    many = 1 if fault.targets == "one" else max(1, int(share * len(names)))
    return tuple(sorted(dice.sample(names, many)))


def _links(window: FaultWindow, names: Sequence[str]) -> Iterable[tuple[tuple[str, str], Link]]:
    fault, hit = window.fault, set(window.targets)
    side = {name: number for number, group in enumerate(window.sides) for name in group}
    for sender in names:
        for receiver in names:
            if sender == receiver:
                continue
            match fault.kind:
                case FaultKind.SPLIT:
                    if side[sender] != side[receiver]:
                        yield (sender, receiver), CUT
                case FaultKind.CUT:
                    if (sender in hit) != (receiver in hit) and (sender in hit or not fault.one_way):
                        yield (sender, receiver), CUT
                case FaultKind.ISOLATE:
                    if sender in hit or (receiver in hit and not fault.one_way):
                        yield (sender, receiver), CUT
                case FaultKind.LOSS:
                    if receiver in hit:
                        yield (sender, receiver), Link(loss=fault.probability)
                case _:
                    if receiver in hit:
                        yield (sender, receiver), Link(delay=fault.delay, bandwidth=fault.bandwidth)


def _listed(window: FaultWindow) -> str:
    if window.sides:
        return " | ".join(" ".join(side) for side in window.sides)
    return " ".join(window.targets)
