"""Training rows as a block: safetensors with ``features`` (n, F) float32, standardised, and ``labels`` (n,) int32.

The block names neither creator nor session, so the same rows in the same order are the same block under any name.
Blocks come from untrusted peers and are read like models (``serialization``): refused as a whole, with a reason.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from learnae.errors import PortError, Reason
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.labels import Classes
from learnae.messages.wire import MAX_BLOCK

MIN_NEW = 0.5  # share of a block's rows that must be new to a peer: data sets may repeat some rows by nature

Keys = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class ReceivedRows:
    dataset: Dataset
    keys: Keys  # one per row: a hash of its features


def encode_rows(features: Tensor, labels: Tensor) -> bytes:
    """Raises PortError: OVERSIZE."""
    block = safetensors.torch.save({"features": features.float().contiguous(), "labels": labels.to(torch.int32)})
    if len(block) > MAX_BLOCK:
        raise PortError(Reason.OVERSIZE, f"{len(block)} bytes")
    return block


@lru_cache(256)
def decode_rows(block: bytes, columns: int, classes: int) -> ReceivedRows:
    """Rows from an untrusted peer.

    Raises PortError: OVERSIZE, MALFORMED (not what ``encode_rows`` writes), SHAPE (another schema than the session's),
    NOT_FINITE, LABELS.
    """
    if len(block) > MAX_BLOCK:
        raise PortError(Reason.OVERSIZE, f"{len(block)} bytes")
    try:
        tensors = safetensors.torch.load(block)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch does not have
        raise PortError(Reason.MALFORMED, str(error)) from error
    features, labels = tensors.get("features"), tensors.get("labels")
    if features is None or labels is None or len(tensors) != 2 or labels.dim() != 1 or not len(labels):
        raise PortError(Reason.SHAPE)
    if (features.dtype, labels.dtype) != (torch.float32, torch.int32) or features.shape != (len(labels), columns):
        raise PortError(Reason.SHAPE)
    if not torch.isfinite(features).all():
        raise PortError(Reason.NOT_FINITE)
    if labels.min() < 0 or labels.max() >= classes:
        raise PortError(Reason.LABELS)
    if encode_rows(features, labels) != block:
        raise PortError(Reason.MALFORMED, "another encoding of these rows")
    return ReceivedRows(Dataset(features, labels.long(), label=Classes(classes)), row_keys(features))


def row_keys(features: Tensor) -> Keys:
    rows = features.float().numpy().astype("<f4", copy=False)
    hashes = (hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.array([int.from_bytes(hash) for hash in hashes], np.uint64)


def require_new(rows: ReceivedRows, known: list[Keys]) -> None:
    """Raises PortError: DUPLICATE, if fewer than ``MIN_NEW`` of the rows are new, each row counted once."""
    new = np.setdiff1d(rows.keys, np.concatenate([*known, np.empty(0, np.uint64)]))
    if len(new) < MIN_NEW * len(rows.keys):
        raise PortError(Reason.DUPLICATE, f"{len(new)} of {len(rows.keys)} rows are new")
