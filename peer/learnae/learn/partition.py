"""Who holds which rows: index arrays into one table, drawn with the session's seed.

Test rows come first, so that the same seed holds out the same rows whatever the number of peers.  All parts are
pairwise disjoint; with ``overlap`` two peers may share rows, but never a test or a public one.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.config import Session
from learnae.errors import InputError
from learnae.learn.data import Table

LEAST_VALIDATION = 10  # rows: below this an accuracy says nothing


@dataclass(frozen=True, eq=False)
class Rows:
    """What one peer holds.  Without rows of its own: nothing to train on, and the public block to judge by."""

    train: torch.Tensor  # (n,) int64
    validation: torch.Tensor  # (v,) int64


@dataclass(frozen=True, eq=False)
class Split:
    peers: tuple[Rows, ...]  # by peer index
    public: torch.Tensor  # (p,) int64, the validation block of peers without rows
    test: torch.Tensor  # (t,) int64, no peer has them
    notice: str | None  # one sentence to print: what had to be shrunk


def holders(session: Session) -> list[bool]:
    """Which peers hold rows, by peer index: groups in their order, the one without a count takes all that are left."""
    rest = session.peers - sum(group.count or 0 for group in session.groups)
    wanted = [group.has_rows for group in session.groups for _ in range(rest if group.count is None else group.count)]
    return wanted[: session.peers] + [True] * (session.peers - len(wanted))


def partition(table: Table, session: Session) -> Split:
    """Deal the table's rows.  InputError if too few are left for a peer to train and to judge on."""
    data, has_rows = session.data, holders(session)
    left = len(table) - data.test_rows - data.public_rows
    train, validation = _share(left, sum(has_rows), session)
    if not all(has_rows) and data.public_rows < LEAST_VALIDATION:
        raise InputError(
            f"peers without rows judge on the public block: set data.public_rows to {LEAST_VALIDATION} or more"
        )
    dice = np.random.default_rng(session.seed)
    order = dice.permutation(len(table))
    test, public, rest = np.split(order, [data.test_rows, data.test_rows + data.public_rows])
    hands = _draw(rest, sum(has_rows), train + validation, dice if data.overlap else None)
    public_rows, own = torch.from_numpy(public), iter(hands)
    empty = torch.empty(0, dtype=torch.int64)
    peers = tuple(_rows(next(own), train) if has else Rows(empty, public_rows) for has in has_rows)
    return Split(peers, public_rows, torch.from_numpy(test), _notice(session, train, validation))


def _share(left: int, holding: int, session: Session) -> tuple[int, int]:
    """Training and validation rows a peer, shrunk proportionally to what the table holds."""
    data = session.data
    if left < 0:
        raise InputError("the table is smaller than data.test_rows + data.public_rows: set them lower")
    wanted = data.rows + data.validation_rows
    share = min(wanted, left if data.overlap else left // max(holding, 1))
    validation = share * data.validation_rows // max(wanted, 1)
    train = share - validation
    if holding and (train < session.work.slices or validation < LEAST_VALIDATION):
        raise InputError(
            f"{holding} peers would get {train} training and {validation} validation rows each, too few for "
            f"{session.work.slices} slices and {LEAST_VALIDATION} rows to judge on: use fewer peers, or data.overlap"
        )
    return train, validation


def _draw(
    rest: NDArray[np.int64], holding: int, size: int, dice: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    if dice is None:
        return [rest[i * size : (i + 1) * size] for i in range(holding)]
    return [dice.choice(rest, size, replace=False) for _ in range(holding)]


def _rows(hand: NDArray[np.int64], train: int) -> Rows:
    return Rows(torch.from_numpy(hand[:train]), torch.from_numpy(hand[train:]))


def _notice(session: Session, train: int, validation: int) -> str | None:
    data = session.data
    if train + validation == data.rows + data.validation_rows:
        return None
    return (
        f"The table has too few rows for {session.peers} peers: each gets {train} training and {validation} validation "
        f"rows instead of {data.rows} and {data.validation_rows}."
    )
