"""What files, faults and link agents need to know about a swarm of pods, whichever backend runs them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from learnae.adapters.sqlite_journal import MAX_JOURNAL
from learnae.errors import InputError
from learnae.messages.wire import MAX_MODEL
from learnae.session.environment import RPC, external_chain_settings
from learnae.session.settings import Session

HOST = "127.0.0.1"
INSIDE_API, INSIDE_LINK, INSIDE_IPFS, INSIDE_RPC = 8000, 7000, 4001, 8545  # ports in a pod
JOURNALS, REPOSITORIES = "journals", "repositories"  # folders of the swarm that pods write to
JOIN_FILES = "join"  # folder of the swarm with the join files of remote peers, while it is up
READINGS = "readings.jsonl"  # in the journal folder of a sensor: what the feed has confirmed
USUAL_MODEL = MAX_JOURNAL // 32  # bytes of a model for which the usual limits of a pod suffice
RPC_FILE = "rpc"  # in a pod, with the URL of an external chain


def refuse_device(session: Session) -> None:
    """Raises InputError for a device that the images have no PyTorch for."""
    device = session.compute.device
    if device not in ("auto", "cpu"):
        raise InputError(
            f'compute.device = "{device}": containers train on the processor: use auto or cpu, or --backend embedded'
        )


def least_model(session: Session) -> int:
    """Bytes that a model has at least, as far as they are known without the data: of weights between hidden layers."""
    hidden = session.model.hidden if session.model.kind == "mlp" else ()
    return 4 * sum(above * below for above, below in pairwise(hidden))


def require_size(size: int, limit: int) -> None:
    """Raises InputError for a model of at least so many bytes."""
    if size > limit:
        more = f"; containers without remote peers take {MAX_MODEL:,}" if limit < MAX_MODEL else ""
        raise InputError(
            f"a model of {size:,} bytes or more is too large for these pods, which take {limit:,}: use fewer units, or "
            f"--backend embedded{more}"
        )


def excess(model: int) -> int:
    """By how many bytes a model is larger than those for which the usual limits of a pod suffice."""
    return max(0, model - USUAL_MODEL)


@dataclass(frozen=True)
class RemotePeerOptions:
    """How many peers run on other machines, and the address of this machine at which these reach the swarm."""

    count: int = 0
    publish: str | None = None

    def __post_init__(self) -> None:
        try:
            address = None if self.publish is None else IPv4Address(self.publish)
            wrong = address is not None and (
                address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved
            )
        except ValueError:
            wrong = True
        if wrong:
            raise InputError(f"{self.publish} cannot be published: give an IPv4 address of this machine, not loopback")
        if self.publish and not self.count:
            raise InputError("--publish is for remote peers only: give --remote-peers, too")

    def check(self, session: Session) -> None:
        """Raises InputError for a session that remote peers cannot take part in."""
        if self.count and session.faults:
            raise InputError("faults cannot be injected into remote peers: leave out --remote-peers or the faults")
        if self.count and external_chain_settings():
            raise InputError(
                f"--remote-peers: a join file would contain the URL in {RPC}, which is a secret: leave out one of them"
            )


NO_REMOTE_PEERS = RemotePeerOptions()


@dataclass(frozen=True)
class Access:
    """How remote peers reach a swarm.  ``ipfs``: multiaddrs of the pods' IPFS nodes by peer.

    ``rpc``: URL of the chain.  ``published``: the address of this machine where these are; None if no other machine
    reaches them.
    """

    ipfs: Mapping[str, str]
    rpc: str
    published: str | None = None


class Pods(Protocol):
    """The pods of a swarm.  ``names``: all members.  ``hosted``: the peers with a pod, the first of them."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def hosted(self) -> tuple[str, ...]: ...

    @property
    def sensors(self) -> tuple[str, ...]:
        """Those of ``names`` that are no peers."""
        ...

    @property
    def feed_url(self) -> str | None:
        """Of the feed inside the swarm; None without sensors."""
        ...

    @property
    def subnet(self) -> IPv4Network | None:
        """All pods have addresses in it; None if that is not known."""
        ...

    @property
    def user(self) -> str:
        """uid:gid that owns the files."""
        ...

    @property
    def max_model(self) -> int:
        """Bytes of the largest model that these pods can have."""
        ...

    def ipfs_address(self, name: str) -> str:
        """The multiaddr at which other pods reach the IPFS node of this one."""
        ...


class LinkedPods(Protocol):
    """The pods of a swarm whose link agents the host reaches."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def pod(self, name: str) -> str:
        """The IPv4 address of a pod at the moment; empty if it has none."""
        ...

    def link(self, name: str) -> str:
        """URL of a pod's link agent on the host."""
        ...


def peer_arguments(name: str, rpc: str, feed: str | None = None) -> Sequence[str]:
    """The arguments of ``learnae`` in the peer's container.  ``rpc``: a URL, or the file that holds it."""
    options = {
        "name": name,
        "roster": "/pod/roster.json",
        "kubo": f"http://{HOST}:5001",
        "rpc": rpc,
        "keystore": "/pod/wallet.json",
        "journal": f"/journal/{name}.sqlite",
        "rows": "/pod",
        "listen": f"0.0.0.0:{INSIDE_API}",
        "token-file": "/pod/token",
    } | ({"feed": feed} if feed else {})
    return ["peer", "/pod/session.toml", *(part for key, value in options.items() for part in (f"--{key}", value))]


def checkout_name(checkout: Path) -> str:
    """Names the swarm of a checkout.  Each checkout has its own, so that two of them do not collide."""
    return f"learnae-{checkout_number(checkout):08x}"


def checkout_number(checkout: Path) -> int:
    return int.from_bytes(hashlib.sha256(str(checkout).encode()).digest()[:4], "big")


def chosen_block_time(session: Session) -> int:
    """Anvil accepts whole seconds only."""
    return max(1, round(session.chain.block_time))
