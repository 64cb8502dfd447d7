"""Blocks of a Tangle of the Stardust generation, as bytes (TIP-24, TIP-23)."""

import hashlib
from dataclasses import dataclass

GENESIS = bytes(32)  # the id that the first blocks of a network refer to
TAGGED_DATA = 5  # type of a payload
MAX_PARENTS = 8
MAX_TAG = 64  # bytes
ID = 32  # bytes


@dataclass(frozen=True, slots=True)
class Block:
    """``data`` is None unless the block carries tagged data."""

    id: bytes
    parents: tuple[bytes, ...]
    tag: bytes = b""
    data: bytes | None = None

    @classmethod
    def parse(cls, raw: bytes) -> "Block":
        """Raises ValueError."""
        reader = _Reader(raw)
        reader.number(1)  # version
        count = reader.number(1)
        if not 1 <= count <= MAX_PARENTS:
            raise ValueError(f"{count} parents")
        parents = tuple(reader.take(ID) for _ in range(count))
        payload = _Reader(reader.take(reader.number(4)))
        reader.number(8)  # nonce
        reader.end()
        block_id = hashlib.blake2b(raw, digest_size=ID).digest()
        if not payload.raw or payload.number(4) != TAGGED_DATA:
            return cls(block_id, parents)
        tag, data = payload.take(payload.number(1)), payload.take(payload.number(4))
        payload.end()
        return cls(block_id, parents, tag, data)


@dataclass(slots=True)
class _Reader:
    raw: bytes
    position: int = 0

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.raw):
            raise ValueError(f"the block ends after {len(self.raw)} bytes")
        taken, self.position = self.raw[self.position : end], end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def end(self) -> None:
        if self.position != len(self.raw):
            raise ValueError(f"{len(self.raw) - self.position} bytes more than a block")


def to_hex(raw: bytes) -> str:
    return "0x" + raw.hex()


def from_hex(text: object) -> bytes:
    """A block id.  Raises ValueError."""
    if not isinstance(text, str) or not text.startswith("0x") or len(text) != 2 + 2 * ID:
        raise ValueError(f"{text!r:.80} is no block id")
    return bytes.fromhex(text[2:])
