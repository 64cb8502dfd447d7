"""The contract of section 3.2: the code to deploy and the code to recognise, from the artefact ``dpoid.json``."""

import json
from dataclasses import dataclass
from functools import cache

from eth_hash.auto import keccak

from learnae import resources
from learnae.messages.ids import peer_id, public_key
from learnae.protocol.types import Address, Poid

DEPLOY_GAS = 120_000  # limit; 99,891 is the maximum used, and the contract guarantees 105,000
IMMUTABLES = ("ipfsId", "wallet", "timestamp")
GET_POID, GET_TIMESTAMP = keccak(b"getPoid()")[:4], keccak(b"getTimestamp()")[:4]


@dataclass(frozen=True)
class Artefact:
    creation: bytes
    runtime: bytes  # zeros where the immutables go
    immutables: dict[str, tuple[int, ...]]  # offsets in the runtime code, 32 bytes each


@cache
def artefact() -> Artefact:
    content = json.loads(resources.CONTRACT.read_text(encoding="utf-8"))
    immutables = {name: tuple(offsets) for name, offsets in content["immutables"].items()}
    return Artefact(bytes.fromhex(content["creation"][2:]), bytes.fromhex(content["runtime"][2:]), immutables)


def deployment_data(poid: Poid) -> bytes:
    """The data of the transaction that deploys the contract."""
    return artefact().creation + public_key(poid.peer) + _word(int(poid.wallet, 16))


def runtime_code(poid: Poid, timestamp: int) -> bytes:
    """The only code that a genuine contract with these values can have."""
    code = bytearray(artefact().runtime)
    words = public_key(poid.peer), _word(int(poid.wallet, 16)), _word(timestamp)
    for name, word in zip(IMMUTABLES, words, strict=True):
        for offset in artefact().immutables[name]:
            code[offset : offset + 32] = word
    return bytes(code)


def read_runtime_code(code: bytes) -> tuple[Poid, int] | None:
    """What a contract with this code returns as its PoID and its timestamp; None: the contract is not genuine."""
    key, wallet, timestamp = (
        code[offset : offset + 32] for offset in (artefact().immutables[name][0] for name in IMMUTABLES)
    )
    try:
        values = parse_poid(key + wallet), parse_timestamp(timestamp)
        return values if runtime_code(*values) == code else None
    except ValueError:
        return None


def parse_poid(returned: bytes) -> Poid:
    """Raises ValueError."""
    if len(returned) != 64 or any(returned[32:44]):
        raise ValueError("not a key and an address")
    return Poid(peer_id(returned[:32]), Address("0x" + returned[44:].hex()))


def parse_timestamp(returned: bytes) -> int:
    """Raises ValueError."""
    if len(returned) != 32:
        raise ValueError("not a number")
    return int.from_bytes(returned, "big")


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")
