"""The results of all rounds as one table in Markdown."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.rivals.rivals import BASELINE, RIVALS, Rival

APART = 0.5  # points of accuracy

HEAD = ("", "version", "models travel", "s, min", "median", "max", "times the plain loop, min", "median", "max")
MORE = ("whole program, s", "processor s", "peak MB", "accuracy", "points from the plain loop")


@dataclass(frozen=True)
class Result:
    """One rival in one round."""

    rival: str
    round: int
    version: str
    seconds: float  # of the work, from the rows in memory to the final models
    whole: float  # s, imports included
    processor: float  # s
    peak_mb: float
    accuracy: float | None  # mean of its models on the test rows; None: it learns nothing


def table(results: Sequence[Result]) -> str:
    """Rivals in their usual order; ratios are to the plain loop of the same round."""
    loop = {result.round: result for result in results if result.rival == BASELINE.name}
    lines = [HEAD + MORE, tuple("---" if i in (0, 1, 2) else "---:" for i in range(len(HEAD + MORE)))]
    for rival in RIVALS:
        own = [result for result in results if result.rival == rival.name]
        if own:
            lines.append(_row(rival, own, loop))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def far_apart(results: Sequence[Result]) -> list[str]:
    """Rivals whose accuracy is not that of the plain loop, with the reason if one is known."""
    found = []
    for rival in RIVALS:
        points = _points([result for result in results if result.rival == rival.name], results)
        if points is not None and abs(points) > APART:
            found.append(f"{rival.name}: {points:+.2f} points of accuracy; {rival.apart or 'REASON UNKNOWN'}")
    return found


def _row(rival: Rival, own: Sequence[Result], loop: dict[int, Result]) -> tuple[str, ...]:
    seconds = [result.seconds for result in own]
    ratios = [result.seconds / loop[result.round].seconds for result in own if result.round in loop]
    points = _points(own, list(loop.values()))
    reached = [result.accuracy for result in own if result.accuracy is not None]
    return (
        rival.name,
        own[0].version,
        rival.kind,
        *_spread(seconds, ".1f"),
        *(_spread(ratios, ".3f") if ratios else ("", "", "")),
        f"{statistics.median(result.whole for result in own):.1f}",
        f"{statistics.median(result.processor for result in own):.1f}",
        f"{max(result.peak_mb for result in own):,.0f}",
        f"{statistics.mean(reached):.4f}" if reached else "",
        f"{points:+.2f}" if points is not None else "",
    )


def _spread(values: Sequence[float], form: str) -> tuple[str, str, str]:
    low, middle, high = (format(value, form) for value in (min(values), statistics.median(values), max(values)))
    return low, middle, high


def _points(own: Sequence[Result], results: Sequence[Result]) -> float | None:
    """Mean accuracy, minus that of the plain loop, in points."""
    mine = [result.accuracy for result in own if result.accuracy is not None]
    loop = [result.accuracy for result in results if result.rival == BASELINE.name and result.accuracy is not None]
    return 100 * (statistics.mean(mine) - statistics.mean(loop)) if mine and loop else None
