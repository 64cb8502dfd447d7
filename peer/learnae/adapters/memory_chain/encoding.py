"""Transactions of the chain in memory as text, and their hashes."""

import hashlib

from learnae.protocol.types import Address, Cid, PeerId


def hash_of(*parts: object) -> str:
    return "0x" + hashlib.sha256(repr(parts).encode()).hexdigest()


def encode_data(*parts: str) -> str:
    return "0x" + " ".join(parts).encode().hex()


def decode_cids(data: str) -> tuple[Cid, ...]:
    return tuple(map(Cid, bytes.fromhex(data[2:]).decode().split()))


def decode_poid(data: str) -> tuple[PeerId, Address]:
    peer, wallet = bytes.fromhex(data[2:]).decode().split()
    return PeerId(peer), Address(wallet)
