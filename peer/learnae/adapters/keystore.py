"""Wallet keys: one file a wallet, readable by its owner alone.

The file is plain.  A peer runs unattended, so whatever unlocks an encrypted key would lie beside it, and 0600 protects
both or neither.  The key itself is in no repr, message or log: only ``Wallet.sign`` uses it.
"""

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from learnae.errors import InputError
from learnae.protocol.types import Address

VERSION = 1
KEY = re.compile("(0x)?[0-9a-fA-F]{64}")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of the group: keys are smaller


@dataclass(frozen=True)
class Wallet:
    address: Address
    _account: LocalAccount = field(repr=False, compare=False)

    @staticmethod
    def of(secret: bytes) -> "Wallet":
        """Raises ValueError for what is no private key, without quoting it."""
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < ORDER:
            raise ValueError("a private key has 32 bytes, between 0 and the order of the group")
        account: LocalAccount = Account.from_key(secret)
        return Wallet(Address(account.address.lower()), account)

    def sign(self, transaction: dict[str, Any]) -> bytes:
        """The raw transaction."""
        return bytes(self._account.sign_transaction(transaction).raw_transaction)


def create(path: Path) -> Wallet:
    """A new wallet in a new file.  Raises InputError if there is one: it may hold money."""
    secret = os.urandom(32)  # no key but for one in 2^127
    wallet = Wallet.of(secret)
    text = json.dumps({"address": wallet.address, "private_key": "0x" + secret.hex(), "version": VERSION})
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(f"{path} exists and may hold money: use it, or give another file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    return wallet


def load(path: Path) -> Wallet:
    """Raises InputError: not there, not private, not a wallet."""
    text = private(path)
    try:
        match json.loads(text):
            case {"version": 1, "address": str(address), "private_key": str(key)}:
                wallet = Wallet.of(bytes.fromhex(key.removeprefix("0x")))
                if wallet.address != address.lower():
                    raise ValueError("the key is another wallet's")
                return wallet
    except (ValueError, RecursionError):
        pass
    raise InputError(f"{path} is no wallet of this program: give the file that it made, undamaged")


def private(path: Path) -> str:
    """A text that only its owner can read.  Raises InputError."""
    try:
        with open(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise InputError(f"{path} can be read by others (mode {mode:04o}): run chmod 600 on it")
            return file.read(10_000)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no wallet of this program: give the file that it made") from None


def url(said: str) -> str:
    """Of an RPC, or of the file that keeps one out of the process list.  Raises InputError."""
    return private(Path(said)).strip() if Path(said).is_file() else said


def funded(said: str) -> Wallet | None:
    """Of a private key, or of the file that holds one, by itself or as ``create`` writes it; None: ``said`` is neither.

    Raises InputError for a file that is not private.
    """
    if not KEY.fullmatch(said):
        path = Path(said).expanduser()
        if not path.is_file():
            return None
        said = private(path).strip()
        if not KEY.fullmatch(said):
            return load(path)
    try:
        return Wallet.of(bytes.fromhex(said.removeprefix("0x")))
    except ValueError:
        return None
