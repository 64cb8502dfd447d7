"""Rows by which the peers without rows judge models: each of them has a block of its own, which nobody else holds.

A peer that can train on the rows by which another one judges sells it models that only look better.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray

from learnae.errors import InputError

MIN_VALIDATION = 10  # rows: an accuracy on fewer is meaningless

Ints = NDArray[np.int64]


def judging_blocks(rows: Ints, peers: int, size: int, wanted: int, salt: str = "") -> tuple[list[torch.Tensor], Ints]:
    """One block of ``size`` rows for each peer, and the rows that are left.  Raises InputError.

    If not enough are left for the others, who want ``wanted``, blocks are smaller in the same proportion.

    With a ``salt``, who has all ``rows`` in their order cannot tell which are in a block.

    Without one, the first block is taken out even if no peer needs it, and the next ones from the end: so the others
    hold the same rows, whether or not peers without rows take part, as long as there are enough.
    """
    if peers:
        size = _shrunk(size, len(rows), peers, wanted)
    if peers and salt:
        rng = np.random.default_rng(np.frombuffer(hashlib.sha256(salt.encode()).digest(), np.uint32))
        taken = rng.permutation(len(rows))[: peers * size]
        return [torch.from_numpy(block) for block in np.split(rows[taken], peers)], np.delete(rows, taken)
    end = len(rows) - max(peers - 1, 0) * size
    blocks = np.split(np.concatenate([rows[:size], rows[end:]]), max(peers, 1))
    return [torch.from_numpy(block) for block in blocks[:peers]], rows[size:end]


def _shrunk(size: int, available: int, peers: int, wanted: int) -> int:
    total = peers * size + wanted
    shrunk = size * min(available, total) // total
    if shrunk < MIN_VALIDATION:
        fix = "use fewer of them" if shrunk < size else f"set data.judging_rows to {MIN_VALIDATION} or more"
        raise InputError(
            f"{peers} peers without rows would get {shrunk} judging rows each, too few to validate on: {fix}"
        )
    return shrunk
