"""How rows are dealt to those who hold some (``data.partition``).

- iid: everybody draws from the same heap, equally many.
- unequal: from the same heap, log-normally many (sigma ``spread``).
- by-column, by-mass: a peer sees one value of a column; peers take turns through the values.
- dirichlet: a peer's shares of the classes are drawn from a Dirichlet distribution around the table's shares; equally
  many rows each.

Where a heap is too small for what is wanted of it, whoever draws from it gets fewer rows, distributed alike.

Shapes: P peers that hold rows, H heaps.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset
from learnae.session.settings import DataSettings

Ints = NDArray[np.int64]


def hand_size(data: DataSettings) -> int:
    """Rows a peer is to get, of all kinds."""
    return data.rows + data.validation_rows + (data.own_test_rows if data.own_distributions else 0)


def deal_hands(
    table: Dataset, rest: Ints, holding: int, data: DataSettings, dice: np.random.Generator
) -> list[tuple[Ints, Ints]]:
    """Each holder's rows, to train and to judge on, in random order; and its own test rows, which nobody else has."""
    if holding == 0:
        return []
    size = hand_size(data)
    heaps = [rest]
    match data.partition:
        case "iid":
            size = min(size, len(rest) if data.overlap else len(rest) // holding)
            wanted = np.full((holding, 1), size)
        case "unequal":
            wanted = _unequal(size, len(rest), holding, data, dice)
        case "dirichlet":
            heaps = _heaps(rest, table.labels.numpy())
            supply = _lengths(heaps)
            shares = dice.dirichlet(data.alpha * len(supply) * supply / supply.sum(), holding)
            wanted = _fitted(shares, size, supply, data)
        case "by-mass" | "by-column":
            heaps = _heaps(rest, _groups(table, data))
            wanted = _one_heap_each(size, _lengths(heaps), holding, data)
    held = _held(wanted, data)
    own_tests = _cut(heaps, held)
    left = [heap[count:] for heap, count in zip(heaps, held.sum(0), strict=True)]
    hands = _draw(left, wanted - held, dice) if data.overlap else _cut(left, wanted - held)
    if len(heaps) > 1:
        hands = [dice.permutation(hand) for hand in hands]
    return list(zip(hands, own_tests, strict=True))


def _groups(table: Dataset, data: DataSettings) -> Ints:
    column = "mass" if data.partition == "by-mass" else data.column
    if table.groups is None or table.group != column:
        fix = 'use partition = "by-column" and name one of its columns' if data.path else "use another source"
        raise InputError(
            f"data.partition = \"{data.partition}\": the rows of {data.name} have no column '{column}'; {fix}"
        )
    return table.groups


def _heaps(rest: Ints, values: Ints) -> list[Ints]:
    """``rest`` in its order, by value."""
    of_rest = values[rest]
    return [rest[of_rest == value] for value in np.unique(of_rest)]


def _lengths(heaps: Sequence[Ints]) -> Ints:
    return np.array([len(heap) for heap in heaps], np.int64)


def _unequal(size: int, supply: int, holding: int, data: DataSettings, dice: np.random.Generator) -> Ints:
    """(P, 1).  All together as many as if they were equal."""
    weights = dice.lognormal(0.0, data.spread, holding)
    total = size * holding if data.overlap else min(size * holding, supply)
    sizes = np.floor(total * weights / weights.sum()).astype(np.int64)
    fitting: Ints = np.minimum(sizes, supply)[:, None]
    return fitting


def _one_heap_each(size: int, supply: Ints, holding: int, data: DataSettings) -> Ints:
    """(P, H).  The largest heaps, if there are more of them than peers."""
    used = np.sort(np.argsort(-supply, kind="stable")[:holding])
    wanted = np.zeros((holding, len(supply)), np.int64)
    for place, heap in enumerate(used):
        peers = np.arange(place, holding, len(used))
        wanted[peers, heap] = _fitted(np.ones((len(peers), 1)), size, supply[[heap]], data)[:, 0]
    return wanted


def _fitted(shares: NDArray[np.float64], size: int, supply: Ints, data: DataSettings) -> Ints:
    """(P, H): ``size`` rows each, shrunk until every heap has enough, by as much for each, so that shares stay."""
    while True:
        wanted = _rounded(size * shares)
        held = _held(wanted, data)
        demand = held.sum(0) + (wanted - held).max(0) if data.overlap else wanted.sum(0)
        if (demand <= supply).all():
            return wanted
        size = min(size - 1, int(size * (supply / np.maximum(demand, 1)).min()))


def _held(wanted: Ints, data: DataSettings) -> Ints:
    """(P, H) own test rows among those wanted."""
    share = data.own_test_rows / hand_size(data) if data.own_distributions else 0.0
    return _rounded(wanted.astype(np.float64) * share)


def _rounded(shares: NDArray[np.float64]) -> Ints:
    """(P, H) whole numbers with the same sum in each row: what is lost by rounding goes to the largest remainders."""
    whole = np.floor(shares).astype(np.int64)
    missing = np.rint(shares.sum(1)).astype(np.int64) - whole.sum(1)
    place = np.argsort(np.argsort(whole - shares, axis=1, kind="stable"), axis=1, kind="stable")
    rounded: Ints = whole + (place < missing[:, None])
    return rounded


def _cut(heaps: Sequence[Ints], wanted: Ints) -> list[Ints]:
    """So many of each heap (P, H), no row twice."""
    ends = np.cumsum(wanted, axis=0)
    return [
        np.concatenate([heap[end - n : end] for heap, n, end in zip(heaps, row, till, strict=True)])
        for row, till in zip(wanted, ends, strict=True)
    ]


def _draw(heaps: Sequence[Ints], wanted: Ints, dice: np.random.Generator) -> list[Ints]:
    """So many of each heap (P, H), drawn anew for each peer."""
    return [
        np.concatenate([dice.choice(heap, n, replace=False) for heap, n in zip(heaps, row, strict=True)])
        for row in wanted
    ]
