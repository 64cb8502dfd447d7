"""Sealed models (``[defence] access``): blocks are encrypted, and an announcement holds the key for those who may read.

Each peer has one secret, from which follow
- an X25519 key pair, whose public key its claim binds to its IPFS id;
- a key for each of its models.  It depends on the CID of the block, so no two blocks share one; a peer that restarts
  encrypts the same block to the same bytes and can open all that was sealed for it.

A block is encrypted with AES-128-GCM.  Its key is wrapped for a reader (RFC 3394) by what both derive from their X25519
keys.  A peer that can read a model can pass it on.
"""

from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from learnae.errors import PortError, Reason
from learnae.messages.ids import base64url, from_base64url
from learnae.messages.wire import cid_of
from learnae.protocol.defence_types import Recipients, SealedKey, Sealing
from learnae.protocol.types import Cid

NONCE = bytes(12)  # a key encrypts one block only
PARTNERS = 512  # peers whose shared secrets are kept


class SealingKey:
    """The keys of one peer.  ``secret``: known to it alone."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._private = X25519PrivateKey.from_private_bytes(_derive(self._secret, 32, "key pair"))
        self.public = base64url(self._private.public_key().public_bytes_raw())
        self._shared = lru_cache(PARTNERS)(self._exchange)
        self._newest = Cid(""), Cid("")  # the block that was encrypted last, and its encrypted block

    def encrypt(self, cid: Cid, block: bytes) -> bytes:
        encrypted = AESGCM(self._model_key(cid)).encrypt(NONCE, block, cid.encode())
        self._newest = cid, cid_of(encrypted)
        return encrypted

    def seal(self, cid: Cid, blocks: Mapping[Cid, bytes], recipients: Recipients) -> Sealing:
        """What the announcement of one's own model tells those who may read it; others cannot use it.

        A recipient whose public key is none is left out.
        """
        if self._newest[0] != cid:
            self.encrypt(cid, blocks[cid])
        keys = []
        for peer, public in recipients:
            try:
                wrapping = self._wrapping_key(public, self.public, public, cid)
            except ValueError:
                continue
            keys.append((peer, base64url(aes_key_wrap(wrapping, self._model_key(cid)))))
        return Sealing(self._newest[1], self.public, tuple(keys))

    def decrypt(self, cid: Cid, encrypted: bytes, key: SealedKey) -> bytes:
        """The block of another peer's model.  Raises PortError: SEAL."""
        try:
            wrapping = self._wrapping_key(key.creator_key, key.creator_key, self.public, cid)
            model_key = aes_key_unwrap(wrapping, from_base64url(key.wrapped))
            block = AESGCM(model_key).decrypt(NONCE, encrypted, cid.encode())
        except (ValueError, InvalidUnwrap, InvalidTag):
            raise PortError(Reason.SEAL) from None
        if cid_of(block) != cid:
            raise PortError(Reason.SEAL, "another block")
        return block

    def _model_key(self, cid: Cid) -> bytes:
        return _derive(self._secret, 16, "model", cid)

    def _wrapping_key(self, other: str, creator: str, reader: str, cid: Cid) -> bytes:
        """Raises ValueError if the public key of the other peer is none."""
        return _derive(self._shared(other), 16, "wrapping", creator, reader, cid)

    def _exchange(self, other: str) -> bytes:
        return self._private.exchange(X25519PublicKey.from_public_bytes(from_base64url(other)))


def _derive(secret: bytes, length: int, *purpose: str) -> bytes:
    return HKDF(SHA256(), length, None, "\n".join(("learnae sealing 1", *purpose)).encode()).derive(secret)
