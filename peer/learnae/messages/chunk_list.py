"""Content that is larger than one IPFS block, and whose CID is that of the list of its chunks.

The list is the block that ``ipfs add --cid-version=1 --raw-leaves --chunker=size-1048576`` makes (dag-pb with UnixFS
data).  So every IPFS program finds the content by its CID, and a node pins and deletes the chunks with their list.
Content has one valid list: all chunks but the last are full, and every number has one encoding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from learnae.messages.ids import CID_BYTES, CID_PREFIX, LIST_PREFIX, cid_from_bytes, cid_to_bytes
from learnae.protocol.types import Cid

CHUNK = 1 << 20  # bytes: every IPFS node accepts a block of this size
MAX_LIST = 1 << 13  # bytes; the list of 64 chunks has 3,300


def raw_cid(block: bytes | memoryview) -> Cid:
    """CIDv1, raw, sha2-256."""
    return cid_from_bytes(CID_PREFIX + hashlib.sha256(block).digest())


def list_cid(block: bytes) -> Cid:
    """CIDv1, dag-pb, sha2-256."""
    return cid_from_bytes(LIST_PREFIX + hashlib.sha256(block).digest())


@dataclass(frozen=True)
class ChunkList:
    """The chunks of ``size`` bytes of content."""

    size: int
    chunks: tuple[Cid, ...]

    @classmethod
    def of(cls, content: bytes) -> "ChunkList":
        with memoryview(content) as view:
            return cls(len(view), tuple(raw_cid(view[at : at + CHUNK]) for at in range(0, len(view), CHUNK)))

    @classmethod
    def parse(cls, block: bytes) -> "ChunkList":
        """Raises ValueError: no content has this list."""
        chunks, size, at = [], 0, 0
        while block[at : at + 1] == b"\x12":  # only the start of each link is read: the comparison does the rest
            cid = block[at + 4 : at + 4 + CID_BYTES]
            if not cid.startswith(CID_PREFIX) or len(cid) != CID_BYTES:
                raise ValueError("a chunk is not a raw block")
            chunks.append(cid_from_bytes(cid))
            length, at = _read_varint(block, at + 4 + CID_BYTES + 3)
            size += length
        parsed = cls(size, tuple(chunks))
        if len(chunks) < 2 or not 0 < parsed.sizes[-1] <= CHUNK or parsed.block != block:
            raise ValueError("not the canonical list of these chunks")
        return parsed

    @property
    def sizes(self) -> list[int]:
        full = len(self.chunks) - 1
        return [CHUNK] * full + [self.size - CHUNK * full]

    @property
    def block(self) -> bytes:
        links, data = b"", b"\x08\x02\x18" + _varint(self.size)  # the type "file", and its size
        for cid, size in zip(self.chunks, self.sizes, strict=True):
            links += _field(2, _field(1, cid_to_bytes(cid)) + _field(2, b"") + b"\x18" + _varint(size))
            data += b"\x20" + _varint(size)
        return links + _field(1, data)

    def join(self, chunks: Sequence[bytes]) -> bytes:
        """The content.  Raises ValueError: a chunk does not have the size that the list promises."""
        if [len(chunk) for chunk in chunks] != self.sizes:
            raise ValueError("a chunk has another size than its list promises")
        return b"".join(chunks)


def _field(number: int, content: bytes) -> bytes:
    """Of a protobuf message: bytes with their length."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits per byte, the lowest first; all bytes but the last have the highest bit."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def _read_varint(block: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends.  Reads up to three bytes, which are enough for the size of a chunk."""
    number = 0
    for index, byte in enumerate(block[at : at + 3]):
        number |= (byte & 127) << 7 * index
        if byte < 128:
            return number, at + index + 1
    raise ValueError("the size of a chunk is missing or too large")
