"""Finds a subnet and ports that nothing on this machine uses and no other checkout has claimed."""

import atexit
import socket
import tempfile
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO, Any

from learnae.backends.compose.containers import ROUNDS
from learnae.backends.compose.docker_cli import TIMEOUT, docker
from learnae.backends.compose.plan import bases, subnets
from learnae.backends.pods.plan import HOST
from learnae.errors import InputError
from learnae.file_lock import try_lock
from learnae.messages.foreign_json import from_json
from learnae.session.environment import subnet

_CLAIMS: dict[str, IO[str]] = {}  # locked files, by what this process has claimed


def free_subnet(checkout: Path) -> IPv4Network:
    """The one that the environment names, or else the first free one.  InputError: the named one is in use."""
    taken = dict(_subnets_taken())
    named = subnet()
    if named is not None:
        if named.prefixlen > 24:
            raise InputError(f"the subnet {named} is too small for a swarm: give a /24, such as 10.213.7.0/24")
        for used, owner in taken.items():
            if used.overlaps(named):
                raise InputError(
                    f"the subnet {named} overlaps {used}, which is {owner}: choose another with LEARNAE_SUBNET="
                )
        return named
    for candidate in subnets(checkout):
        if not any(used.overlaps(candidate) for used in taken) and claim(f"subnet-{candidate.network_address}"):
            return candidate
    raise InputError("no subnet of 10.200.0.0 to 10.215.255.0 is free: name one with LEARNAE_SUBNET=")


def free_base(checkout: Path, numbers: Sequence[int], hosts: Sequence[str] = (HOST,)) -> int:
    """The first base above which the needed ports (``numbers``, counted from the base) are free."""
    for base in bases(checkout):
        if all(_free(host, base + number) for host in hosts for number in numbers) and claim(f"ports-{base}"):
            return base
    raise InputError(f"no block of ports from 20000 to 32000 is free on {' and '.join(hosts)}: end what uses them")


def claim(what: str) -> bool:
    """Reserve something for this process until it ends; whether that worked.

    Half a minute may pass between finding an address free and using it; another checkout may look in that time.
    """
    if what not in _CLAIMS:
        path = Path(tempfile.gettempdir()) / f"learnae-{what}.lock"  # fails where nothing can be written at all
        try:
            file = open(path, "a", encoding="utf-8")
        except OSError:  # another user's file
            return False
        if not try_lock(file):
            file.close()
            return False
        _CLAIMS[what] = file
    return True


@atexit.register
def release_claims() -> None:
    """Close the files of all claims, so that other processes can claim the same."""
    while _CLAIMS:
        _CLAIMS.popitem()[1].close()


def _subnets_taken() -> Iterator[tuple[IPv4Network, str]]:
    for network in _networks():
        for config in network["IPAM"]["Config"] or ():
            if ":" not in config.get("Subnet", ":"):
                yield IPv4Network(config["Subnet"]), f"Docker's network {network['Name']}"
    try:
        routes = Path("/proc/net/route").read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        return
    for interface, destination, _, _, _, _, _, mask, *_ in map(str.split, routes):
        if int(mask, 16):
            address = bytes.fromhex(destination)[::-1]
            length = bin(int(mask, 16)).count("1")
            yield IPv4Network((address, length), strict=False), f"a network of this machine, on {interface}"


def _networks(tries: int = ROUNDS) -> list[dict[str, Any]]:
    """Docker's networks.  If one is removed between the two calls, the second fails, and both are repeated."""
    ids = docker("network", "ls", "-q", timeout=TIMEOUT).split()
    try:
        networks: list[dict[str, Any]] = from_json(docker("network", "inspect", *ids, timeout=TIMEOUT)) if ids else []
    except InputError:
        if tries == 1:
            raise
        return _networks(tries - 1)
    return networks


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
