"""From faults to a plan: windows with named targets.  Pure.

Times are seconds since the plan's start, which is when the last of the expected peers first begins to work; a slow
start therefore shifts nothing.

    windows = plan([Fault(FaultKind.SPLIT, at=20, duration=60, targets="half")], names, seed=7)
"""

import random
from collections.abc import Iterable, Sequence

from learnae.errors import InputError
from learnae.session.faults import (
    MIN_BANDWIDTH,
    MIN_DELAY,
    Fault,
    FaultKind,
    FaultWindow,
)

ROLLING = "rolling"
SHARES = {"minority": 0.25, "half": 0.5, "all": 1.0}
MAX_TARGETS = 300_000  # of all windows together
MIN_DOWNTIME = 1.0  # s from a stop to the next start; also of a rolling turn


def plan(
    faults: Iterable[Fault], peers: Sequence[str], seed: int, sensors: Sequence[str] = ()
) -> tuple[FaultWindow, ...]:
    """The windows in order of time.  ``sensors``: names of those that faults can interrupt.  Raises InputError.

    Each fault has a random generator of its own, so that adding one does not move the others.
    """
    windows: list[FaultWindow] = []
    targets = 0
    for index, fault in enumerate(faults):
        names = sensors if fault.kind.of_sensors else peers
        _check(index, fault, names)
        targets += _target_count(fault, names)
        if targets > MAX_TARGETS:
            raise InputError(
                f"faults.{index} ({fault.kind}): more than {MAX_TARGETS} targets in all: name fewer, or raise every"
            )
        windows += _windows(fault, list(names), random.Random(f"{seed} fault {index}"))
    return tuple(sorted(windows, key=lambda window: (window.begin, window.end)))


def boundaries(windows: Iterable[FaultWindow]) -> list[float]:
    """The moments at which a window begins or ends."""
    return sorted({moment for window in windows for moment in (window.begin, window.end)})


def fault_times(windows: Iterable[FaultWindow], start: float, again: float) -> list[tuple[float, float]]:
    """When faults begin, and when all peers have announced their models again after them.

    ``start``: of the plan, in session seconds; ``again``: s between a peer's announcements.
    """
    return [(start + window.begin, start + window.end + again) for window in windows]


def timeline(windows: Sequence[FaultWindow], width: int = 60) -> list[str]:
    """One line of text per window: when, what, to whom."""
    last = max((window.end for window in windows), default=0.0) or 1.0
    lines = []
    for window in windows:
        begin = min(int(window.begin / last * width), width - 1)
        length = max(1, round((window.end - window.begin) / last * width))
        bar = "." * begin + "#" * min(length, width - begin)
        whom = _target_list(window)
        lines.append(f"{window.begin:7.1f} - {window.end:7.1f} s  {bar:.<{width}}  {window.kind} {whom}")
    return lines


# private

NONE_LEFT = "targets: all peers, so that none is left on the other side: name fewer"


def _check(index: int, fault: Fault, names: Sequence[str]) -> None:
    where = f"faults.{index} ({fault.kind})"  # as in the messages about other settings
    complaints = [
        (not names, "the session has no sensors: set sensor = true in one group, or leave the fault out"),
        *_complaints_about_targets(fault, names),
        (
            0 < fault.delay < MIN_DELAY,
            f"delay: at least {MIN_DELAY:g} s, or 0 for none",
        ),
        (
            0 < fault.bandwidth < MIN_BANDWIDTH,
            f"bandwidth: at least {MIN_BANDWIDTH:.0f} bytes/s, or 0 for no limit",
        ),
        (
            fault.kind is FaultKind.SPLIT and fault.groups > len(names),
            f"groups: max {len(names)}, the number of peers",
        ),
        (
            (fault.kind.network or fault.targets == ROLLING) and fault.duration == 0,
            "duration: give more than 0 s, otherwise nothing happens",
        ),
        (fault.kind is FaultKind.SLOW and fault.delay == fault.bandwidth == 0, "give a delay or a bandwidth"),
    ]
    for wrong, sentence in complaints:
        if wrong:
            raise InputError(f"{where}: {sentence}")


def _complaints_about_targets(fault: Fault, names: Sequence[str]) -> list[tuple[bool, str]]:
    targets, known = fault.targets, frozenset(names)
    place = "among the sensors" if fault.kind.of_sensors else "in this swarm"
    has_sides = fault.kind in (FaultKind.CUT, FaultKind.SPLIT)
    if not isinstance(targets, str):
        unknown = [name for name in targets if name not in known]
        return [
            (not targets, 'targets: name a peer, such as ["p01"], or leave targets out for one drawn from the seed'),
            (
                bool(unknown),
                f"targets: {', '.join(unknown)} not {place}: name some of {' to '.join([*names[:1], *names[-1:]])}",
            ),
            (len(set(targets)) < len(targets), "targets: a peer is named twice: name it once"),
            (has_sides and len(targets) == len(names), NONE_LEFT),
        ]
    words = ("one", "random", ROLLING, *SHARES)
    hits_all = targets in ("all", "random") and int(SHARES.get(targets, fault.share) * len(names)) == len(names)
    return [
        (targets in known, f'targets: write a list, ["{targets}"]'),
        (targets not in words, f"targets: give a list of names, or one of {', '.join(f'{word!r}' for word in words)}"),
        (has_sides and hits_all, NONE_LEFT),
        (
            targets == ROLLING and _peers_per_turn(fault, names) >= len(names),
            'share: rolling must spare a peer at each turn: lower it, or use targets = "all"',
        ),
    ]


def _target_count(fault: Fault, names: Sequence[str]) -> int:
    """At least the targets in all windows of a fault."""
    if fault.targets == ROLLING:
        return int(fault.duration / fault.every + 1) * _peers_per_turn(fault, names)
    if not isinstance(fault.targets, str):
        return len(fault.targets)
    return 1 if fault.targets == "one" and fault.kind is not FaultKind.SPLIT else len(names)


def _peers_per_turn(fault: Fault, names: Sequence[str]) -> int:
    return max(1, round(fault.share * len(names)))


def _windows(fault: Fault, names: list[str], rng: random.Random) -> list[FaultWindow]:
    end = fault.at + (fault.duration if fault.kind.network else max(MIN_DOWNTIME, fault.duration))
    if fault.kind.shared:
        return [FaultWindow(fault, fault.at, end, ())]
    if fault.targets == ROLLING:
        rng.shuffle(names)
        return [_window(fault, begin, stop, targets, names) for begin, stop, targets in _turns(fault, names)]
    if fault.kind is FaultKind.SPLIT and fault.targets == "one":  # the default: groups of equal size
        rng.shuffle(names)
        sides = tuple(tuple(sorted(names[group :: fault.groups])) for group in range(fault.groups))
        return [FaultWindow(fault, fault.at, end, tuple(sorted(names)), sides)]
    return [_window(fault, fault.at, end, _targets(fault, names, rng), names)]


def _window(fault: Fault, begin: float, end: float, targets: tuple[str, ...], names: Sequence[str]) -> FaultWindow:
    """The sides of a split are its targets and the rest."""
    if fault.kind is not FaultKind.SPLIT:
        return FaultWindow(fault, begin, end, targets)
    return FaultWindow(fault, begin, end, targets, (targets, tuple(sorted(set(names) - set(targets)))))


def _turns(fault: Fault, order: list[str]) -> Iterable[tuple[float, float, tuple[str, ...]]]:
    """Each turn of a rolling fault: its begin, its end, and the next peers in ``order``."""
    count = _peers_per_turn(fault, order)
    end = fault.at + fault.duration
    begin, turn = fault.at, 0
    while begin < end:
        chosen = [order[(turn * count + place) % len(order)] for place in range(count)]
        yield begin, min(begin + fault.every, end), tuple(sorted(chosen))
        begin, turn = begin + fault.every, turn + 1


def _targets(fault: Fault, names: list[str], rng: random.Random) -> tuple[str, ...]:
    if isinstance(fault.targets, tuple):
        return fault.targets
    share = SHARES.get(fault.targets, fault.share)
    count = 1 if fault.targets == "one" else max(1, int(share * len(names)))
    return tuple(sorted(rng.sample(names, count)))


def _target_list(window: FaultWindow) -> str:
    if window.kind.shared:
        return "the chain" if window.kind.chain else "the feed"
    if window.sides:
        return " | ".join(" ".join(side) for side in window.sides)
    return " ".join(window.targets)
