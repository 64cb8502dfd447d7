"""The contract of section 3.2 as its compiler left it in ``dpoid.json``: what is deployed, what is recognised."""

import json
from dataclasses import dataclass
from functools import cache

from eth_utils.crypto import keccak

from learnae import resources
from learnae.messages.ids import peer_id, public_key
from learnae.protocol.types import Address, Poid

DEPLOY_GAS = 120_000  # limit; 99,891 are used at most, and 105,000 is the contract's promise
GET_POID, GET_TIMESTAMP = keccak(text="getPoid()")[:4], keccak(text="getTimestamp()")[:4]


@dataclass(frozen=True)
class Artefact:
    creation: bytes
    runtime: bytes  # zeros where the immutables go
    immutables: dict[str, tuple[int, ...]]  # offsets in the runtime code, 32 bytes each


@cache
def artefact() -> Artefact:
    made = json.loads(resources.CONTRACT.read_text())
    places = {name: tuple(offsets) for name, offsets in made["immutables"].items()}
    return Artefact(bytes.fromhex(made["creation"][2:]), bytes.fromhex(made["runtime"][2:]), places)


def deployment(poid: Poid) -> bytes:
    """The data of the transaction that deploys it."""
    return artefact().creation + public_key(poid.peer) + _word(int(poid.wallet, 16))


def runtime(poid: Poid, timestamp: int) -> bytes:
    """The one code that a genuine contract with these values has."""
    code = bytearray(artefact().runtime)
    words = {"ipfsId": public_key(poid.peer), "wallet": _word(int(poid.wallet, 16)), "timestamp": _word(timestamp)}
    for name, offsets in artefact().immutables.items():
        for offset in offsets:
            code[offset : offset + 32] = words[name]
    return bytes(code)


def read_poid(returned: bytes) -> Poid:
    """Raises ValueError."""
    if len(returned) != 64 or any(returned[32:44]):
        raise ValueError("not a key and an address")
    return Poid(peer_id(returned[:32]), Address("0x" + returned[44:].hex()))


def read_timestamp(returned: bytes) -> int:
    """Raises ValueError."""
    if len(returned) != 32:
        raise ValueError("not a number")
    return int.from_bytes(returned, "big")


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")
