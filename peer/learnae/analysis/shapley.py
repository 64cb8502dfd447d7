"""Shapley values of a cooperative game: what each player adds to a coalition, on average over all orders.  Pure.

A game is given by the values of its coalitions.
"""

import itertools
import math
import random
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Player = str
Coalition = frozenset[Player]
ValueOf = Callable[[Coalition], float]
SlowValueOf = Callable[[Coalition], Awaitable[float]]

NOBODY: Coalition = frozenset()
MAX_EXACT = 8  # players: 256 coalitions


@dataclass(frozen=True, slots=True)
class Estimate:
    """The mean of ``count`` contributions.  ``error``: its standard error; 0 for an exact value."""

    value: float
    error: float
    count: int


def coalitions(players: Sequence[Player]) -> Iterator[Coalition]:
    """All coalitions, the smallest first."""
    for size in range(len(players) + 1):
        yield from map(frozenset, itertools.combinations(players, size))


def exact(players: Sequence[Player], value: ValueOf) -> dict[Player, float]:
    """The Shapley values, from the values of all coalitions."""
    count = len(players)
    shares = {}
    for player in players:
        others = [other for other in players if other != player]
        terms = (
            (value(coalition | {player}) - value(coalition)) / (count * math.comb(count - 1, len(coalition)))
            for coalition in coalitions(others)
        )
        shares[player] = math.fsum(terms)
    return shares


def orders(players: Sequence[Player], count: int, seed: int) -> list[list[Player]]:
    """Random orders of the players.  With the same seed, a longer list begins with the shorter one."""
    rng = random.Random(f"{seed} orders")
    return [rng.sample(players, len(players)) for _ in range(count)]


async def contributions(
    order: Sequence[Player], nobody: float, everybody: float, tolerance: float, value: SlowValueOf
) -> dict[Player, float]:
    """What each player adds to those before it in one order.

    Once a coalition is within ``tolerance`` of everybody's value, the players after it share the rest equally.  This is
    the truncated Monte Carlo of Ghorbani and Zou (2019), who drop the rest, so that the shares do not add up.
    """
    added: dict[Player, float] = {}
    before = nobody
    for position, player in enumerate(order):
        rest = order[position:]
        if abs(everybody - before) <= tolerance or len(rest) == 1:
            return added | dict.fromkeys(rest, (everybody - before) / len(rest))
        after = await value(frozenset(order[: position + 1]))
        added[player] = after - before
        before = after
    return added


def estimates(players: Sequence[Player], samples: Sequence[Mapping[Player, float]]) -> dict[Player, Estimate]:
    """Mean contribution and standard error of each player.  ``samples``: contributions by order, at least two."""
    result = {}
    for player in players:
        values = [sample[player] for sample in samples]
        result[player] = Estimate(
            statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)), len(values)
        )
    return result


def leave_one_out(players: Sequence[Player], value: ValueOf) -> dict[Player, float]:
    """What everybody loses without each player."""
    everybody = frozenset(players)
    return {player: value(everybody) - value(everybody - {player}) for player in players}


def gini(values: Sequence[float]) -> float | None:
    """The Gini coefficient of incomes: 0 if all are equal, near 1 if one has everything.  None if nobody has any."""
    total = math.fsum(values)
    if total <= 0:
        return None
    ranked = sorted(values)
    weighted = math.fsum(rank * value for rank, value in enumerate(ranked, 1))
    return 2 * weighted / (len(ranked) * total) - (len(ranked) + 1) / len(ranked)


def pearson(one: Sequence[float], other: Sequence[float]) -> float | None:
    """None if either is constant."""
    try:
        return statistics.correlation(one, other)
    except statistics.StatisticsError:
        return None


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The correlation of ranks; equal values share their mean rank.  None if either is constant."""
    return pearson(_ranks(one), _ranks(other))


# private


def _ranks(values: Sequence[float]) -> list[float]:
    ranked = sorted(values)
    return [(ranked.index(value) + len(ranked) - ranked[::-1].index(value) - 1) / 2 for value in values]
