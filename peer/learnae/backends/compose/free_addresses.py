"""Where a swarm fits on this machine: a subnet and ports that nobody uses, nor another checkout is about to."""

import json
import socket
import tempfile
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO, Any

from learnae.backends.compose.containers import ROUNDS
from learnae.backends.compose.docker_cli import PATIENCE, docker
from learnae.backends.compose.plan import HOST, bases, subnets
from learnae.errors import InputError
from learnae.file_lock import try_lock
from learnae.session.environment import subnet

_CLAIMS: dict[str, IO[str]] = {}  # locked files, by what this process has for itself


def free_subnet(checkout: Path) -> IPv4Network:
    """The one that is wished for, or the first that nobody uses.  InputError: the wished one is taken."""
    taken = dict(_subnets_taken())
    wished = subnet()
    if wished is not None:
        if wished.prefixlen > 24:
            raise InputError(f"the subnet {wished} is too small for a swarm: give a /24, such as 10.213.7.0/24")
        for used, whose in taken.items():
            if used.overlaps(wished):
                raise InputError(
                    f"the subnet {wished} overlaps {used}, which is {whose}: choose another with LEARNAE_SUBNET="
                )
        return wished
    for each in subnets(checkout):
        if not any(used.overlaps(each) for used in taken) and claimed(f"subnet-{each.network_address}"):
            return each
    raise InputError("no subnet of 10.200.0.0 to 10.215.255.0 is free: name one with LEARNAE_SUBNET=")


def free_base(checkout: Path, numbers: Sequence[int], hosts: Sequence[str] = (HOST,)) -> int:
    """The first block of ports of which those that are needed (``numbers``, above the base) are free."""
    for base in bases(checkout):
        if all(_free(host, base + number) for host in hosts for number in numbers) and claimed(f"ports-{base}"):
            return base
    raise InputError(f"no block of ports from 20000 to 32000 is free on {' and '.join(hosts)}: end what uses them")


def claimed(what: str) -> bool:
    """Whether this process has that for itself, from now to its end.

    Between looking whether something is free and taking it half a minute may pass, in which another checkout looks.
    """
    if what not in _CLAIMS:
        path = Path(tempfile.gettempdir()) / f"learnae-{what}.lock"  # fails where nothing can be written at all
        try:
            file = open(path, "a")
        except OSError:  # another user's file
            return False
        if not try_lock(file):
            file.close()
            return False
        _CLAIMS[what] = file
    return True


def _subnets_taken() -> Iterator[tuple[IPv4Network, str]]:
    for network in _networks():
        for each in network["IPAM"]["Config"] or ():
            if ":" not in each.get("Subnet", ":"):
                yield IPv4Network(each["Subnet"]), f"Docker's network {network['Name']}"
    try:
        routes = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return
    for interface, destination, _, _, _, _, _, mask, *_ in map(str.split, routes):
        if int(mask, 16):
            address = bytes.fromhex(destination)[::-1]
            length = bin(int(mask, 16)).count("1")
            yield IPv4Network((address, length), strict=False), f"this machine's own, on {interface}"


def _networks(tries: int = ROUNDS) -> list[dict[str, Any]]:
    """Docker's.  One that is removed between the two questions fails the second: so both are asked again."""
    ids = docker("network", "ls", "-q", timeout=PATIENCE).split()
    try:
        found: list[dict[str, Any]] = json.loads(docker("network", "inspect", *ids, timeout=PATIENCE)) if ids else []
    except InputError:
        if tries == 1:
            raise
        return _networks(tries - 1)
    return found


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
