"""Partitions: which rows each peer holds, as index arrays into one dataset, drawn with the session's seed.

Test rows are drawn first, so that a seed holds out the same rows for any number of peers and any partition.  Then each
profiteer gets a judging block (``judging_blocks``).  All parts are pairwise disjoint; with ``overlap``, two
peers may share rows, but never a test or judging row, and no peer has a row twice.  The other rows are dealt by
``data.partition``:

- iid: all peers draw from the same distribution, equally many rows.
- unequal: the same distribution, with log-normally distributed numbers of rows (sigma ``spread``).
- by-column, by-mass: each peer sees one value of a column; peers take turns through the values.
- dirichlet: a peer's class shares are drawn from a Dirichlet distribution around those of the dataset; equal sizes.

A new partition is one entry in ``PARTITIONERS`` and its name in the settings.

Rows with the same distribution form a group.  Where a group is too small, the peers that draw from it get fewer rows,
distributed alike.  A peer's validation rows are a random part of its rows, so they follow its own distribution.  Where
that differs from peer to peer, ``own_test`` holds out such rows for each peer; the common test rows then measure how
well it knows the rows of others.

Shapes: P peers that hold rows, G groups.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset, PeerRows, standardise
from learnae.learn.datasets.encoding import encode
from learnae.learn.datasets.judging_blocks import MIN_VALIDATION, judging_blocks
from learnae.learn.datasets.partition_notices import hints_on, notice_of_fewer_rows
from learnae.learn.datasets.sources import load_dataset
from learnae.plugins import shown
from learnae.protocol.policies import Role
from learnae.session.roster import group_of_each_peer
from learnae.session.settings import DataSettings, Session
from learnae.session.sizes import MIN_FITTED_ROWS, is_fitted

Ints = NDArray[np.int64]
Groups = list[Ints]
Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Partition:
    peers: tuple[PeerRows, ...]  # by peer index
    test: torch.Tensor  # (t,) int64, held by no peer
    own_test: tuple[torch.Tensor, ...]  # by peer index: held by no peer, distributed like its own; if iid, ``test``
    notice: str | None  # one sentence to print: what was reduced or left out


@dataclass(frozen=True, eq=False)
class PeerShare:
    """The rows dealt to one peer that holds rows."""

    rows: PeerRows
    own_test: torch.Tensor

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.rows.train), len(self.rows.validation), len(self.own_test)


def load_partitioned(session: Session, dataset: Dataset | None = None, salt: str = "") -> tuple[Dataset, Partition]:
    """The session's dataset, ready to train on, and its partition.  ``dataset``: as loaded, if it was.

    ``salt``: known to the host alone, it decides about judging blocks; without it, the seed does.

    A file that is not standardised is standardised by the training rows of all peers: test rows have no influence.
    """
    dataset = load_dataset(session.data) if dataset is None else dataset
    result = partition(dataset, session, salt)
    trained = [rows.train for rows in result.peers]
    hints = hints_on(dataset.label.hint(dataset.labels[result.test]), list(map(len, trained)), session)
    notices = [notice for notice in (dataset.notice, result.notice, *hints) if notice]
    rows = torch.cat(trained)
    ready = standardise(encode(dataset, rows), rows)
    if ready.metric != session.score.metric:
        ready = replace(ready, metric=session.score.metric)
    return ready, replace(result, notice=" ".join(notices) or None)


def partition(dataset: Dataset, session: Session, salt: str = "") -> Partition:
    """Deal the rows.  InputError if a peer gets too few to train and validate on."""
    data, roles = session.data, [group.role for group in group_of_each_peer(session.groups, session.peers)]
    has_rows = [role in (Role.TRAINER, Role.PROVIDER, Role.SENSOR) for role in roles]
    if len(dataset) < data.test_rows + data.judging_rows:
        raise InputError(
            f"the dataset has {len(dataset):,} rows, smaller than data.test_rows + data.judging_rows = "
            f"{data.test_rows + data.judging_rows:,}: set them lower"
        )
    rng = np.random.default_rng(session.seed)
    order = rng.permutation(len(dataset))
    test = torch.from_numpy(order[: data.test_rows])
    wanted = _rows_per_peer(data) * (any(has_rows) if data.overlap else sum(has_rows))
    profiteers, others = roles.count(Role.PROFITEER), order[data.test_rows :]
    blocks, rest = judging_blocks(others, profiteers, data.judging_rows, wanted, salt)
    shares = _deal(dataset, rest, sum(has_rows), data, rng)
    _require_enough(shares, session)
    none = torch.empty(0, dtype=torch.int64)
    judges = iter([PeerShare(PeerRows(none, block), test) for block in blocks])
    keepers = repeat(PeerShare(PeerRows(none, none), test))
    dealt = {Role.PROFITEER: judges, Role.KEEPER: keepers}
    with_rows = iter(shares)
    by_peer = [next(dealt.get(role, with_rows)) for role in roles]
    own_test = tuple(share.own_test if data.own_distributions else test for share in by_peer)
    counts, judged = [share.counts for share in shares], len(blocks[0]) if blocks else None
    notice = notice_of_fewer_rows(counts, judged, _rows_per_peer(data), session)
    return Partition(tuple(share.rows for share in by_peer), test, own_test, notice)


# private


def _rows_per_peer(data: DataSettings) -> int:
    """The number of rows of all kinds that a peer should get."""
    return data.rows + data.validation_rows + (data.own_test_rows if data.own_distributions else 0)


def _deal(dataset: Dataset, rest: Ints, peers: int, data: DataSettings, rng: Rng) -> list[PeerShare]:
    """Deal rows to the peers that hold some; no two peers have the same own test row."""
    if peers == 0:
        return []
    groups, wanted = PARTITIONERS[data.partition].plan(dataset, rest, peers, data, rng)
    held_out = _held_out(wanted, data)
    own_tests = _take(groups, held_out)
    left = [group[count:] for group, count in zip(groups, held_out.sum(0), strict=True)]
    dealt = _sample(left, wanted - held_out, rng) if data.overlap else _take(left, wanted - held_out)
    if len(groups) > 1:
        dealt = [rng.permutation(rows) for rows in dealt]
    return [_share(rows, own_test, data) for rows, own_test in zip(dealt, own_tests, strict=True)]


def _share(rows: Ints, own_test: Ints, data: DataSettings) -> PeerShare:
    """Split a peer's rows in the ratio of the settings."""
    validation = len(rows) * data.validation_rows // (data.rows + data.validation_rows)
    train, validated = np.split(rows, [len(rows) - validation])
    return PeerShare(
        PeerRows(torch.from_numpy(train), torch.from_numpy(validated)),
        torch.from_numpy(own_test),
    )


def _plan_iid(dataset: Dataset, rest: Ints, peers: int, data: DataSettings, rng: Rng) -> tuple[Groups, Ints]:
    size = min(_rows_per_peer(data), len(rest) if data.overlap else len(rest) // peers)
    return [rest], np.full((peers, 1), size)


def _plan_unequal(dataset: Dataset, rest: Ints, peers: int, data: DataSettings, rng: Rng) -> tuple[Groups, Ints]:
    """In total as many rows as equal peers would hold."""
    weights = rng.lognormal(0.0, data.size_sigma, peers)
    total = _rows_per_peer(data) * peers
    total = total if data.overlap else min(total, len(rest))
    sizes = np.floor(total * weights / weights.sum()).astype(np.int64)
    return [rest], np.minimum(sizes, len(rest))[:, None]


def _plan_dirichlet(dataset: Dataset, rest: Ints, peers: int, data: DataSettings, rng: Rng) -> tuple[Groups, Ints]:
    groups = _group_by(rest, dataset.labels.numpy())
    supply = _lengths(groups)
    shares = rng.dirichlet(data.alpha * len(supply) * supply / supply.sum(), peers)
    return groups, _fit_to_supply(shares, _rows_per_peer(data), supply, data)


def _plan_by_column(dataset: Dataset, rest: Ints, peers: int, data: DataSettings, rng: Rng) -> tuple[Groups, Ints]:
    """One group per peer; the largest groups, if there are more of them than peers."""
    groups = _group_by(rest, _column_values(dataset, data))
    supply = _lengths(groups)
    used = np.sort(np.argsort(-supply, kind="stable")[:peers])
    wanted = np.zeros((peers, len(supply)), np.int64)
    for position, group in enumerate(used):
        members = np.arange(position, peers, len(used))
        equal = np.ones((len(members), 1))
        wanted[members, group] = _fit_to_supply(equal, _rows_per_peer(data), supply[[group]], data)[:, 0]
    return groups, wanted


@dataclass(frozen=True)
class Partitioner:
    """``plan`` returns groups of rows and how many rows each peer takes from each group (P, G).

    ``fix``: what to change, besides the number of peers and ``data.overlap``, if there are too few rows.
    """

    plan: Callable[[Dataset, Ints, int, DataSettings, Rng], tuple[Groups, Ints]]
    fix: str = ""


PARTITIONERS = {
    "iid": Partitioner(_plan_iid),
    "unequal": Partitioner(_plan_unequal, ", a smaller data.size_sigma"),
    "by-column": Partitioner(_plan_by_column, ", a column with fewer values"),
    "by-mass": Partitioner(_plan_by_column, ", a column with fewer values"),
    "dirichlet": Partitioner(_plan_dirichlet, ", a larger data.alpha"),
}


def _column_values(dataset: Dataset, data: DataSettings) -> Ints:
    column = "mass" if data.partition == "by-mass" else data.column
    if dataset.groups is None or dataset.group != column:
        fix = 'use partition = "by-column" and name one of its columns' if data.path else "use another source"
        raise InputError(
            f"data.partition = \"{data.partition}\": the rows of {shown(data.name)} have no column '{column}'; {fix}"
        )
    return dataset.groups


def _group_by(rest: Ints, values: Ints) -> Groups:
    """Group ``rest`` by value, in its order."""
    values_of_rest = values[rest]
    return [rest[values_of_rest == value] for value in np.unique(values_of_rest)]


def _lengths(groups: Groups) -> Ints:
    return np.array([len(group) for group in groups], np.int64)


def _fit_to_supply(shares: NDArray[np.float64], size: int, supply: Ints, data: DataSettings) -> Ints:
    """(P, G): ``size`` rows per peer, reduced until every group has enough; equally for all, so that shares stay."""
    while True:
        wanted = _round(size * shares)
        held_out = _held_out(wanted, data)
        demand = held_out.sum(0) + (wanted - held_out).max(0) if data.overlap else wanted.sum(0)
        if (demand <= supply).all():
            return wanted
        size = min(size - 1, int(size * (supply / np.maximum(demand, 1)).min()))


def _held_out(wanted: Ints, data: DataSettings) -> Ints:
    """(P, G) own test rows among the wanted ones."""
    share = data.own_test_rows / _rows_per_peer(data) if data.own_distributions else 0.0
    return _round(wanted.astype(np.float64) * share)


def _round(shares: NDArray[np.float64]) -> Ints:
    """(P, G) integers with the same row sums: the largest remainders are rounded up."""
    whole = np.floor(shares).astype(np.int64)
    missing = np.rint(shares.sum(1)).astype(np.int64) - whole.sum(1)
    rank = np.argsort(np.argsort(whole - shares, axis=1, kind="stable"), axis=1, kind="stable")
    rounded: Ints = whole + (rank < missing[:, None])
    return rounded


def _take(groups: Groups, counts: Ints) -> list[Ints]:
    """Take ``counts`` (P, G) rows of each group, no row twice."""
    ends = np.cumsum(counts, axis=0)
    return [
        np.concatenate([group[end - n : end] for group, n, end in zip(groups, row, until, strict=True)])
        for row, until in zip(counts, ends, strict=True)
    ]


def _sample(groups: Groups, counts: Ints, rng: Rng) -> list[Ints]:
    """Sample ``counts`` (P, G) rows of each group, independently for each peer."""
    return [
        np.concatenate([rng.choice(group, n, replace=False) for group, n in zip(groups, row, strict=True)])
        for row in counts
    ]


def _require_enough(shares: Sequence[PeerShare], session: Session) -> None:
    if not shares:
        return
    data = session.data
    train, validation, own_test = (min(counts) for counts in zip(*(share.counts for share in shares), strict=True))
    if train < session.work.slices or validation < MIN_VALIDATION or (data.own_distributions and own_test < 1):
        at_least = "" if len({len(share.rows.train) for share in shares}) == 1 else " at least"
        also = f" and {own_test} test" if data.own_distributions else ""
        divisible = train + validation >= session.work.slices + MIN_VALIDATION
        lower = f"lower data.rows = {data.rows}, " if divisible and validation < MIN_VALIDATION else ""
        if data.rows > max(train, MIN_FITTED_ROWS) and is_fitted(data):
            lower = (
                f"the session sets sizes for another table, such as data.rows = {data.rows}: leave them out "
                "(the session `table` sets none), "
            )
        raise InputError(
            f"{len(shares)} peers would get{at_least} {train} training and {validation} validation{also} rows each, "
            f"too few for {session.work.slices} slices and {MIN_VALIDATION} validation rows: "
            f"{lower}use fewer peers{PARTITIONERS[data.partition].fix}, or data.overlap"
        )
