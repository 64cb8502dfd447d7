"""Keys of IPFS nodes, generated before the nodes start, so that the roster is known in advance."""

import base64
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from learnae.ed25519 import SensorKey, verify_text
from learnae.messages.ids import base64url, peer_id
from learnae.messages.wire import SIGNING_PREFIX
from learnae.protocol.types import PeerId

PREFIX = bytes.fromhex("08011240")  # protobuf of libp2p: an Ed25519 key of 64 bytes, the private half first


@dataclass(frozen=True)
class IpfsIdentity:
    """``ports.IdentityKey`` without a node.  ``key``: encoded as in Kubo's configuration, ``Identity.PrivKey``."""

    peer_id: PeerId
    key: str = field(repr=False)

    async def sign(self, message: bytes) -> str:
        return base64url(_private_key(self.key).sign(SIGNING_PREFIX + message))

    @property
    def sensor_key(self) -> SensorKey:
        """The same key, for readings."""
        return SensorKey.from_secret(_private_key(self.key).private_bytes_raw())

    def verify(self, peer: PeerId, message: bytes, signature: str) -> bool:
        return verify_text(peer, message, signature)


def create_identity() -> IpfsIdentity:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    return IpfsIdentity(peer_id(public), base64.b64encode(PREFIX + private.private_bytes_raw() + public).decode())


def create_swarm_key() -> str:
    """The content of the file that a node needs to connect to the nodes of a private swarm."""
    return f"/key/swarm/psk/1.0.0/\n/base16/\n{os.urandom(32).hex()}\n"


def peer_id_of_key(key: str) -> PeerId:
    """The peer id of a private key.  Raises ValueError."""
    return peer_id(_private_key(key).public_key().public_bytes_raw())


def _private_key(key: str) -> Ed25519PrivateKey:
    raw = base64.b64decode(key, validate=True)
    if len(raw) != len(PREFIX) + 64 or not raw.startswith(PREFIX):
        raise ValueError("not the Ed25519 key of an IPFS node")
    return Ed25519PrivateKey.from_private_bytes(raw[len(PREFIX) : -32])
