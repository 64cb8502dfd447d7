"""IPFS keys that are the same in each run, so that sessions whose models depend on their makers go alike."""

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from learnae.adapters import memory
from learnae.adapters.ipfs_keys import PREFIX, IpfsIdentity
from learnae.messages.ids import peer_id
from learnae.protocol.types import Address, PeerId


def identity(name: str) -> IpfsIdentity:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"identity {name}".encode()).digest())
    public = private.public_key().public_bytes_raw()
    return IpfsIdentity(peer_id(public), base64.b64encode(PREFIX + private.private_bytes_raw() + public).decode())


def identity_keys(name: str) -> tuple[PeerId, Address]:
    return identity(name).peer_id, memory.keys(name)[1]
