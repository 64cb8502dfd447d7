"""The commitment of a peer to its validation rows: a digest that it announces before the first score.

An auditor who is given salt and rows computes the digest again.  Without the salt nobody can test whether guessed rows
are the right ones, not even of a small or public table.
"""

import hashlib

from learnae.protocol.types import Commitment


def commit(salt: str, columns: int, features: bytes, labels: bytes) -> Commitment:
    """``features``: the rows as they are scored, little-endian float32.  ``labels``: little-endian int64, or
    float64 if they are numbers."""
    heading = f"learnae validation rows 1\n{salt}\n{columns} columns, {len(labels) // 8} rows\n".encode()
    return Commitment(hashlib.sha256(heading + features + labels).hexdigest(), salt)
