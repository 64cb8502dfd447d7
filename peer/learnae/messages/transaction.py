"""Ethereum transactions of type 2 (EIP-1559), without an access list: encodes them to sign and send, and parses them.

Pure.  Written here because the libraries that encode transactions take half a second of processor time to import.
"""

from collections.abc import Mapping, Sequence
from typing import Any

TYPE = b"\x02"
NUMBERS = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "value")
FIELDS = ("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas", "to", "value", "data")  # as encoded
SIGNED = len(FIELDS) + 4  # items: also the access list, and three of the signature

Item = int | bytes | Sequence["Item"]


def unsigned(transaction: Mapping[str, Any]) -> bytes:
    """The bytes whose hash is signed.  ``to``: empty for a deployment."""
    return TYPE + rlp([*(transaction[name] for name in FIELDS), []])


def signed(transaction: Mapping[str, Any], signature: bytes) -> bytes:
    """The raw transaction.  ``signature``: r and s, of 32 bytes each, and the parity of y."""
    r, s, parity = (int.from_bytes(part) for part in (signature[:32], signature[32:64], signature[64:]))
    return TYPE + rlp([*(transaction[name] for name in FIELDS), [], parity, r, s])


def parse(raw: bytes) -> dict[str, Any]:
    """The fields of a raw transaction; its signature is not checked.  Raises ValueError."""
    if raw[:1] != TYPE:
        raise ValueError("not a transaction of type 2")
    content, rest = _next_item(raw[1:])
    items = []
    while content:
        item, content = _next_item(content)
        items.append(item)
    if rest or len(items) != SIGNED:
        raise ValueError("not a signed transaction")
    fields = dict(zip(FIELDS, items, strict=False))
    return fields | {name: int.from_bytes(fields[name]) for name in NUMBERS}


def rlp(item: Item) -> bytes:
    """Ethereum's encoding of numbers, bytes and lists of these (recursive length prefix)."""
    if isinstance(item, int):
        item = _number(item)
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(0x80, len(item)) + item
    content = b"".join(map(rlp, item))
    return _prefix(0xC0, len(content)) + content


def _prefix(kind: int, length: int) -> bytes:
    if length < 56:
        return bytes([kind + length])
    size = _number(length)
    return bytes([kind + 55 + len(size)]) + size


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def _next_item(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first item, and what follows it.  Raises ValueError."""
    if not data:
        raise ValueError("a transaction that is cut off")
    first, start = data[0], 1
    if first < 0x80:
        return data[:1], data[1:]
    length = first - (0xC0 if first >= 0xC0 else 0x80)
    if length > 55:
        start = 1 + length - 55
        length = int.from_bytes(data[1:start])
    if len(data) < start + length:
        raise ValueError("a transaction that is cut off")
    return data[start : start + length], data[start + length :]
