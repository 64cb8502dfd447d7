"""Keys of IPFS nodes that do not run yet, made on the host, so that a roster is known before anything starts."""

import base64
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from learnae.messages.ids import peer_id
from learnae.protocol.types import PeerId

PRIVATE = bytes.fromhex("08011240")  # protobuf of libp2p: an Ed25519 key of 64 bytes, the private half first


@dataclass(frozen=True)
class IpfsIdentity:
    """``key``: as Kubo's configuration has it, ``IpfsIdentity.PrivKey``."""

    peer: PeerId
    key: str = field(repr=False)


def identity() -> IpfsIdentity:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return IpfsIdentity(peer_id(public), base64.b64encode(PRIVATE + private.private_bytes_raw() + public).decode())


def swarm_key() -> str:
    """The file without which no node can speak to those of a private swarm."""
    return f"/key/swarm/psk/1.0.0/\n/base16/\n{os.urandom(32).hex()}\n"


def peer_of(key: str) -> PeerId:
    """Whose private key that is.  Raises ValueError."""
    raw = base64.b64decode(key, validate=True)
    if len(raw) != len(PRIVATE) + 64 or not raw.startswith(PRIVATE):
        raise ValueError("no Ed25519 key of an IPFS node")
    private = Ed25519PrivateKey.from_private_bytes(raw[len(PRIVATE) : -32])
    return peer_id(private.public_key().public_bytes_raw())
