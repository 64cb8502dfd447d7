"""Who holds which rows: index arrays into one table, drawn with the session's seed.

Test rows come first, then the public block, so that the same seed holds out the same rows whatever the number of peers
and however the rest is dealt.  All parts are pairwise disjoint; with ``overlap`` two peers may share rows, but never a
test or a public one, and no peer has a row twice.

``hands`` deals the rest.  A peer's validation rows are a random part of its hand, so they follow its own distribution.
Where that is not everybody's, ``own_test`` holds out such rows for each peer; the test rows then say how well it knows
what others have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from learnae.errors import InputError
from learnae.learn.datasets.dataset import Dataset, standardised
from learnae.learn.datasets.partitioners import Ints, deal_hands, hand_size
from learnae.learn.datasets.sources import load
from learnae.session.roster import spread
from learnae.session.settings import DataSettings, Session

LEAST_VALIDATION = 10  # rows: below this an accuracy says nothing


@dataclass(frozen=True, eq=False)
class PeerRows:
    """What one peer holds.  Without rows of its own: nothing to train on, and the public block to judge by."""

    train: torch.Tensor  # (n,) int64
    validation: torch.Tensor  # (v,) int64


@dataclass(frozen=True, eq=False)
class Split:
    peers: tuple[PeerRows, ...]  # by peer index
    public: torch.Tensor  # (p,) int64, the validation block of peers without rows
    test: torch.Tensor  # (t,) int64, no peer has them
    own_test: tuple[torch.Tensor, ...]  # by peer index: no peer has them, and they are like its own; if iid, ``test``
    notice: str | None  # one sentence to print: what had to be shrunk or left out


def deal(session: Session, table: Dataset | None = None) -> tuple[Dataset, Split]:
    """The session's table, ready to be trained on, and who holds what.  ``table``: as it was loaded, if it was.

    Rows of a foreign file are standardised by the rows that peers train on: test rows have no say.
    """
    table = load(session.data) if table is None else table
    split = partition(table, session)
    notices = [notice for notice in (table.notice, split.notice) if notice]
    trained = torch.cat([rows.train for rows in split.peers])
    return standardised(table, trained), replace(split, notice=" ".join(notices) or None)


def partition(table: Dataset, session: Session) -> Split:
    """Deal the table's rows.  InputError if too few are left for a peer to train and to judge on."""
    data, has_rows = session.data, [each.has_rows for each in spread(session.groups, session.peers)]
    if len(table) < data.test_rows + data.public_rows:
        raise InputError(
            f"the table has {len(table):,} rows, smaller than data.test_rows + data.public_rows = "
            f"{data.test_rows + data.public_rows:,}: set them lower"
        )
    if not all(has_rows) and data.public_rows < LEAST_VALIDATION:
        raise InputError(
            f"peers without rows judge on the public block: set data.public_rows to {LEAST_VALIDATION} or more"
        )
    dice = np.random.default_rng(session.seed)
    order = dice.permutation(len(table))
    test, public, rest = map(torch.from_numpy, np.split(order, [data.test_rows, data.test_rows + data.public_rows]))
    hands = deal_hands(table, rest.numpy(), sum(has_rows), data, dice)
    dealt = [(_rows(hand, data), torch.from_numpy(own_test)) for hand, own_test in hands]
    _enough(dealt, session)
    nothing, next_hand = (PeerRows(torch.empty(0, dtype=torch.int64), public), test), iter(dealt)
    given = [next(next_hand) if has else nothing for has in has_rows]
    own_test = tuple(own if data.own_distributions else test for _, own in given)
    return Split(tuple(rows for rows, _ in given), public, test, own_test, _notice(dealt, session))


def _rows(hand: Ints, data: DataSettings) -> PeerRows:
    """In the proportion that was asked for."""
    validation = len(hand) * data.validation_rows // (data.rows + data.validation_rows)
    train, judged = np.split(hand, [len(hand) - validation])
    return PeerRows(torch.from_numpy(train), torch.from_numpy(judged))


def _enough(dealt: Sequence[tuple[PeerRows, torch.Tensor]], session: Session) -> None:
    if not dealt:
        return
    own = session.data.own_distributions
    train, validation = min(len(rows.train) for rows, _ in dealt), min(len(rows.validation) for rows, _ in dealt)
    held = min(len(rows) for _, rows in dealt)
    if train < session.work.slices or validation < LEAST_VALIDATION or (own and held < 1):
        least = "" if len({len(rows.train) for rows, _ in dealt}) == 1 else " at least"
        also = f" and {held} test" if own else ""
        raise InputError(
            f"{len(dealt)} peers would get{least} {train} training and {validation} validation{also} rows each, too "
            f"few for {session.work.slices} slices and {LEAST_VALIDATION} rows to judge on: {_remedy(session.data)}"
        )


def _remedy(data: DataSettings) -> str:
    match data.partition:
        case "unequal":
            return "use fewer peers, a smaller data.spread, or data.overlap"
        case "by-column" | "by-mass":
            return "use fewer peers, a column with fewer values, or data.overlap"
        case "dirichlet":
            return "use fewer peers, a larger data.alpha, or data.overlap"
        case _:
            return "use fewer peers, or data.overlap"


def _notice(dealt: Sequence[tuple[PeerRows, torch.Tensor]], session: Session) -> str | None:
    if not dealt:
        return None
    data, each = session.data, [(len(rows.train), len(rows.validation), len(own)) for rows, own in dealt]
    if sum(map(sum, each)) + len(each) > hand_size(data) * len(each):  # rounding aside
        return None
    train, validation, _ = zip(*each, strict=True)
    return (
        f"The table has too few rows for {session.peers} peers: each gets {_span(train)} training and "
        f"{_span(validation)} validation rows instead of {data.rows} and {data.validation_rows}."
    )


def _span(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"
