"""Bytes that cross between peers: CIDs, canonical JSON announcements, the text a claim's proof signs.

Strict both ways: an unknown version or field, a wrong type or an overlong message is ``BadMessage``, never a guess.
"""

import base64
import hashlib

from learnae.core.types import Cid

MAX_BLOCK = 1 << 20  # bytes: IPFS's block limit, so that a model is one raw block


def cid_of(block: bytes) -> Cid:
    """CIDv1, raw, sha2-256, as ``ipfs add --cid-version=1 --raw-leaves`` names a block of up to 1 MiB."""
    multihash = b"\x01\x55\x12\x20" + hashlib.sha256(block).digest()
    return Cid("b" + base64.b32encode(multihash).decode().rstrip("=").lower())
