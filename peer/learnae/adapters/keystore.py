"""Wallet keys: one file per wallet, readable only by its owner.

The file is not encrypted.  A peer runs unattended, so whatever unlocks an encrypted key would lie next to it, and mode
0600 protects both or neither.  The key appears in no repr, message or log: only ``Wallet.sign`` uses it.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_hash.auto import keccak

from learnae.errors import InputError
from learnae.messages import transaction as transactions
from learnae.messages.foreign_json import from_json
from learnae.private_file import read_private, write_private
from learnae.protocol.types import Address

VERSION = 1
KEY = re.compile("(0x)?[0-9a-fA-F]{64}")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of the group: keys are smaller


@dataclass(frozen=True)
class Wallet:
    address: Address
    _key: PrivateKey = field(repr=False, compare=False)

    @staticmethod
    def from_key(key: bytes) -> "Wallet":
        """Raises ValueError for an invalid private key, without quoting it."""
        if len(key) != 32 or not 0 < int.from_bytes(key, "big") < ORDER:
            raise ValueError("a private key has 32 bytes, between 0 and the order of the group")
        private = PrivateKey(key)
        public = private.public_key.format(compressed=False)[1:]
        return Wallet(Address("0x" + keccak(public)[12:].hex()), private)

    def sign(self, transaction: Mapping[str, Any]) -> bytes:
        """The raw transaction.  Its fields are named as in ``messages.transaction``."""
        signature = self._key.sign_recoverable(keccak(transactions.unsigned(transaction)), hasher=None)
        return transactions.signed(transaction, signature)


def create_wallet(path: Path) -> Wallet:
    """Create a wallet in a new file.  Raises InputError if the file exists: its wallet may hold money."""
    key = os.urandom(32)  # invalid with probability 2^-127
    wallet = Wallet.from_key(key)
    text = json.dumps({"address": wallet.address, "private_key": "0x" + key.hex(), "version": VERSION})
    try:
        write_private(path, text + "\n")
    except FileExistsError:
        raise InputError(f"{path} exists and may hold money: use it, or give another file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return wallet


def load_wallet(path: Path) -> Wallet:
    """Raises InputError if the file is missing, readable by others, or not a wallet."""
    text = read_private(path)
    try:
        match from_json(text):
            case {"version": 1, "address": str(address), "private_key": str(key)}:
                wallet = Wallet.from_key(bytes.fromhex(key.removeprefix("0x")))
                if wallet.address != address.lower():
                    raise ValueError("the key belongs to another wallet")
                return wallet
    except (ValueError, RecursionError):
        pass
    raise InputError(f"{path} is not a wallet of this program: give the file that it created, undamaged")


def require_checksum(address: str) -> None:
    """Raises InputError if the case of the letters is not their checksum (EIP-55); one case alone has none."""
    digits = address[2:]
    hashed = keccak(digits.lower().encode()).hex()
    right = "".join(
        digit.upper() if int(mark, 16) > 7 else digit for digit, mark in zip(digits.lower(), hashed, strict=False)
    )
    if digits not in (right, digits.lower(), digits.upper()):
        raise InputError(f"{address} is mistyped: its upper and lower case letters do not fit; copy it again")


def resolve_url(text: str) -> str:
    """The URL of an RPC, or the content of the file that keeps it out of the process list.  Raises InputError."""
    return read_private(Path(text)).strip() if os.path.isfile(text) else text  # unlike Path.is_file, for any text


def resolve_wallet(text: str) -> Wallet | None:
    """The wallet of a private key, of a file with only a key, or of a file by ``create_wallet``; None for other text.

    Raises InputError for a file that others can read.
    """
    if not KEY.fullmatch(text):
        path = os.path.expanduser(text)
        if not os.path.isfile(path):  # unlike Path.is_file, it never raises an error that would quote a key
            return None
        text = read_private(Path(path)).strip()
        if not KEY.fullmatch(text):
            return load_wallet(Path(path))
    try:
        return Wallet.from_key(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        return None
