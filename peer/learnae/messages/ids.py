"""Ids as text and as bytes: IPFS peer ids (base58) of Ed25519 keys, CIDs (base32), and signatures (base64url)."""

from base64 import b32decode, b64decode, urlsafe_b64encode
from collections.abc import Iterable

from learnae.protocol.types import Cid, PeerId

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PREFIX = bytes.fromhex("002408011220")  # identity multihash of 36 bytes: a protobuf of key type 1 and 32 bytes

CID_PREFIX = bytes.fromhex("01551220")  # version 1, raw bytes, sha2-256 of 32 bytes
LIST_PREFIX = bytes.fromhex("01701220")  # the same of a list of chunks (``chunk_list``)
CID_BYTES = 36
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
PAIRS = [first + second for first in BASE32 for second in BASE32]  # by 10 bits
SHIFTS = range(280, -1, -10)  # of 288 bits, with 2 more to fill the last pair


def peer_id(key: bytes) -> PeerId:
    if len(key) != 32:
        raise ValueError(f"an Ed25519 public key has 32 bytes, not {len(key)}")
    number, text = int.from_bytes(PREFIX + key, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return PeerId("1" + text)  # the prefix begins with one zero byte


def public_key(peer: PeerId) -> bytes:
    """Raises ValueError if this is not the id of an Ed25519 key."""
    number = 0
    for letter in peer[:64]:
        number = number * 58 + BASE58.index(letter)
    wrapped = number.to_bytes(48, "big")[-38:]
    key = wrapped[len(PREFIX) :]
    if peer_id(key) != peer:
        raise ValueError(f"{peer!r} is not the id of an Ed25519 key")
    return key


def cid_from_bytes(binary: bytes) -> Cid:
    """``binary``: 36 bytes."""
    number = int.from_bytes(binary, "big") << 2
    return Cid("b" + "".join([PAIRS[number >> shift & 1023] for shift in SHIFTS]))


def cids_to_bytes(cids: Iterable[Cid]) -> bytes:
    """The calldata of a payment: the models that it pays for."""
    return b"".join(map(cid_to_bytes, cids))


def cids_from_bytes(binary: bytes) -> tuple[Cid, ...]:
    """The models that a payment with this calldata is for.  Raises ValueError if the bytes are no CIDs."""
    parts = [binary[at : at + CID_BYTES] for at in range(0, len(binary), CID_BYTES)]
    if not all(len(part) == CID_BYTES and part.startswith((CID_PREFIX, LIST_PREFIX)) for part in parts):
        raise ValueError("no CIDs")
    return tuple(map(cid_from_bytes, parts))


def cids_from_calldata(calldata: str) -> tuple[Cid, ...]:
    """The models that a transfer pays for; none: it is a plain transfer, or for anything else.

    Peers and checks follow this one rule.  The CIDs are bytes or, on the chain in memory, text.
    """
    binary = bytes.fromhex(calldata.removeprefix("0x"))
    try:
        return cids_from_bytes(binary)
    except ValueError:
        pass
    try:
        return cids_from_bytes(b"".join(map(cid_to_bytes, map(Cid, binary.decode("ascii").split()))))
    except ValueError:
        return ()


def cid_to_bytes(cid: Cid) -> bytes:
    """The 36 bytes of a CID."""
    return b32decode(cid[1:].upper() + "=" * (-len(cid[1:]) % 8))


def base64url(data: bytes) -> str:
    """Multibase, as Kubo encodes topics, messages and signatures: ``u`` and base64url without padding."""
    return "u" + urlsafe_b64encode(data).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    """Raises ValueError."""
    if not text.startswith("u") or not text.isascii():
        raise ValueError("not base64url")
    return b64decode(text[1:].encode() + b"==", altchars=b"-_")
