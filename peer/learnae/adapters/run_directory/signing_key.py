"""Ed25519 keys that sign the seals of runs: a private key of OpenSSH (``ssh-keygen -t ed25519``) or in PEM."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from learnae.errors import InputError
from learnae.private_file import read_private
from learnae.records.seal import Seal

KEY_LENGTH = 64  # hex digits of a public key


def load_key(path: Path) -> Ed25519PrivateKey:
    """Raises InputError."""
    text = read_private(path).encode()
    load = load_ssh_private_key if b"OPENSSH" in text.split(b"\n", 1)[0] else load_pem_private_key
    try:
        key = load(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a passphrase
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"{path} is not an Ed25519 key without a passphrase: create one with ssh-keygen -t ed25519 -N '' -f FILE"
        )
    return key


def public_hex(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()


def parse_public_key(text: str) -> str:
    """The hex digits of a public key, given as such, as a line of OpenSSH, or by a file with one of them.

    Raises InputError.
    """
    try:
        file = Path(text)
        line = file.read_text(encoding="utf-8").strip() if len(text) < 1000 and file.is_file() else text.strip()
        if line.startswith("ssh-ed25519 "):
            key = load_ssh_public_key(line.encode())
            if isinstance(key, Ed25519PublicKey):
                return key.public_bytes_raw().hex()
        elif len(line) == KEY_LENGTH:
            return bytes.fromhex(line).hex()
    except (OSError, ValueError, UnsupportedAlgorithm):
        pass
    raise InputError("--signer: give an Ed25519 public key: 64 hex digits, or a file such as key.pub of ssh-keygen")


def has_signed(seal: Seal) -> bool:
    """Whether the seal has a signature that is right."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal.signer or ""))
        key.verify(bytes.fromhex(seal.signature or ""), seal.statement(seal.signer or ""))
    except (ValueError, InvalidSignature):
        return False
    return True
