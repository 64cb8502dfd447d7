"""Ed25519 keys of IPFS nodes and sensors: the id of either contains its public key."""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from learnae.messages.ids import base64url, from_base64url, peer_id, public_key
from learnae.messages.wire import SIGNING_PREFIX
from learnae.protocol.types import PeerId


@dataclass(frozen=True)
class SensorKey:
    peer: PeerId
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @staticmethod
    def from_secret(secret: bytes) -> "SensorKey":
        """``secret``: 32 bytes, the private key."""
        private = Ed25519PrivateKey.from_private_bytes(secret)
        return SensorKey(peer_id(private.public_key().public_bytes_raw()), private)

    @property
    def secret(self) -> bytes:
        return self._private.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


def verify(peer: PeerId, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key(peer)).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def verify_text(peer: PeerId, message: bytes, signature: str) -> bool:
    """Verify a signature as IPFS nodes make it.  Only the encoding that they write is accepted."""
    try:
        raw = from_base64url(signature)
    except ValueError:
        return False
    return verify(peer, SIGNING_PREFIX + message, raw) and base64url(raw) == signature
