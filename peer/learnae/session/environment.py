"""Settings of the machine: the only reader of environment variables."""

import os
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

from learnae.checkout import REPOSITORY, in_checkout
from learnae.errors import InputError

SUBNET = "LEARNAE_SUBNET"  # subnet of the containers; without it a free one is chosen
DATA_FOLDER = "LEARNAE_DATA"  # folder of downloaded and converted data; without it a default
RPC = "LEARNAE_RPC"  # URL of a node on an external chain; without it the session runs on its own Anvil
KEY = "LEARNAE_KEY"  # private key that pays on the external chain, or a file of mode 0600 that holds it
CAP = "LEARNAE_CAP"  # max ETH that one session may take from that key
SIGNING_KEY = "LEARNAE_SIGNING_KEY"  # file of the Ed25519 key that signs runs; without it they are unsigned
TRACEBACK = "LEARNAE_TRACEBACK"  # whether an unexpected error prints its traceback
DEFAULT_CAP = "0.1"  # ETH


@dataclass(frozen=True)
class ExternalChainSettings:
    """A node on an external chain and the key that pays there.  Both are secret: node URLs contain API keys, too."""

    rpc: str = field(repr=False)
    key: str = field(repr=False)
    cap: Decimal  # ETH

    @property
    def host(self) -> str:
        """The only part of the URL that may be shown."""
        return urlsplit(self.rpc).hostname or ""


def data_folder() -> Path:
    """Folder of downloaded and converted data: the checkout's data/, or else a folder of the user's."""
    default = REPOSITORY / "data" if in_checkout() else Path.home() / ".local" / "share" / "learnae"
    return Path(os.environ.get(DATA_FOLDER) or default)


def traceback_wanted() -> bool:
    return bool(os.environ.get(TRACEBACK))


def subnet() -> IPv4Network | None:
    """The subnet set for the containers, if any.  Raises InputError."""
    value = os.environ.get(SUBNET)
    try:
        return IPv4Network(value) if value else None
    except ValueError as error:
        raise InputError(f"{SUBNET} is not a subnet ({error}): give one such as 10.213.7.0/24") from None


def external_chain_settings() -> ExternalChainSettings | None:
    """The external chain set for the session; None: the session starts its own.  Raises InputError."""
    rpc, key, cap = (os.environ.get(variable, "").strip() for variable in (RPC, KEY, CAP))
    if not rpc and not key:
        return None
    if not rpc or not key:
        raise InputError(f"{RPC} and {KEY} belong together: set both to use an external chain, or neither")
    try:
        url = urlsplit(rpc)
        if url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
            raise ValueError
    except ValueError:  # raised by url.port, too
        raise InputError(f"{RPC} must begin with http:// or https:// and name a host") from None
    try:
        ether = Decimal(cap or DEFAULT_CAP)
        if not 0 < ether < 10**9:
            raise ValueError
    except (ValueError, ArithmeticError):
        raise InputError(f"{CAP} must be an amount of ETH above 0, such as {DEFAULT_CAP}") from None
    return ExternalChainSettings(rpc, key, ether)


def signing_key() -> Path | None:
    """The file of the key that signs runs, if one is set."""
    value = os.environ.get(SIGNING_KEY)
    return Path(value).expanduser() if value else None


def docker_environment() -> dict[str, str]:
    """The environment for Docker commands, without our secrets and without what would override the rendered files."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "LEARNAE_"))}


def tls_bundle() -> str | None:
    """The certificate file that this machine trusts instead of the usual one; images are built with it."""
    return os.environ.get("SSL_CERT_FILE") or None
