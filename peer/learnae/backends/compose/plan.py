"""What a swarm looks like to Docker Compose: project, addresses, ports, pods.  Pure: the same plan, the same files.

10.x.y.2 chain  .3 prometheus  .4 grafana  .10 p00  .11 p01 ...      one /24, static
base chain  +1 prometheus  +2 grafana  +10 p00's API ...  +200 p00's link ...      on 127.0.0.1 alone
base chain  +10 p00's IPFS node ...                                for guests, on the address that is to be published

Guests are the last peers of the roster: they run elsewhere and have no pod.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from learnae.errors import InputError
from learnae.session.roster import Member
from learnae.session.settings import Session

FIRST_POD, MOST_PODS = 10, 180
CHAIN, PROMETHEUS, GRAFANA = 0, 1, 2  # each with its port and its address
API, LINK = 10, 200  # ports of the first pod, above the base
PORTS, BLOCKS = 400, 30  # of one checkout; below the ports that Linux gives to outgoing connections
LOWEST_PORT = 20_000
SUBNETS = 4096
INSIDE_API, INSIDE_LINK, INSIDE_IPFS, INSIDE_RPC = 8000, 7000, 4001, 8545
HOST = "127.0.0.1"
CHAIN_SERVICE = "chain"
RPC_FILE = "rpc"  # in a pod, on a chain that is not ours


@dataclass(frozen=True)
class RemotePeerOptions:
    """How many peers run elsewhere, and on which of this machine's addresses others than itself may reach the swarm."""

    guests: int = 0
    publish: str | None = None

    def __post_init__(self) -> None:
        try:
            wrong = self.publish is not None and IPv4Address(self.publish).is_loopback
        except ValueError:
            wrong = True
        if wrong:
            raise InputError(f"{self.publish} cannot be published: give an IPv4 address of this machine, not loopback")
        if self.publish and not self.guests:
            raise InputError("nobody is invited to what would be published: give --guests, too")


ALL_HERE = RemotePeerOptions()


@dataclass(frozen=True)
class Plan:
    """``user``: uid:gid that owns the files and runs the containers.  ``genesis``: Unix seconds of block 0.

    ``foreign``: the chain is none of ours; how to reach it is a secret, and in the pods' files.
    """

    project: str
    subnet: IPv4Network
    base: int
    user: str
    genesis: int
    chain_id: int
    block_time: int
    names: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    invited: RemotePeerOptions = ALL_HERE
    foreign: bool = False

    def __post_init__(self) -> None:
        refuse_above_most(len(self.names))

    @property
    def once(self) -> tuple[str, ...]:
        """The services that a swarm has once; each is a profile of its own."""
        return self.profiles if self.foreign else (CHAIN_SERVICE, *self.profiles)

    @property
    def hosted(self) -> tuple[str, ...]:
        """Who has a pod."""
        return self.names[: len(self.names) - self.invited.guests]

    @property
    def guests(self) -> tuple[str, ...]:
        return self.names[len(self.hosted) :]

    def address(self, number: int) -> str:
        return str(self.subnet[number])

    def port(self, number: int) -> int:
        return self.base + number

    @property
    def rpc(self) -> str:
        """Of the chain, from inside the swarm."""
        return f"http://{self.address(2 + CHAIN)}:8545"

    @property
    def outer_rpc(self) -> str:
        return f"http://{HOST}:{self.port(CHAIN)}"

    @property
    def guests_rpc(self) -> str:
        return f"http://{self.invited.publish or HOST}:{self.port(CHAIN)}"

    def multiaddr(self, name: str) -> str:
        """Of its IPFS node, for guests."""
        publish = self.invited.publish
        return f"/ip4/{publish}/tcp/{self.ipfs_port(name)}" if publish else f"/ip4/{self.pod(name)}/tcp/{INSIDE_IPFS}"

    def ipfs_port(self, name: str) -> int:
        return self.port(API + self.names.index(name))

    def api(self, name: str) -> str:
        """Of a peer, from the host."""
        return f"http://{HOST}:{self.port(API + self.names.index(name))}"

    def link(self, name: str) -> str:
        return f"http://{HOST}:{self.port(LINK + self.names.index(name))}"

    def pod(self, name: str) -> str:
        """The address of its pod."""
        return self.address(FIRST_POD + self.names.index(name))

    def ports(self) -> Iterator[int]:
        yield from (self.port(each) for each in (CHAIN, PROMETHEUS, GRAFANA))
        yield from (self.port(first + index) for first in (API, LINK) for index in range(len(self.names)))


def refuse_above_most(peers: int) -> None:
    """Raises InputError."""
    if peers > MOST_PODS:
        raise InputError(f"{peers} peers do not fit: a swarm on Compose has {MOST_PODS} at most; simulate more")


def project(checkout: Path) -> str:
    """A name of its own for each checkout, so that two of them do not meet."""
    return f"learnae-{_digest(checkout):08x}"


def subnets(checkout: Path) -> Iterator[IPv4Network]:
    """Where to put a swarm, best first: private and seldom used."""
    for index in range(SUBNETS):
        number = (_digest(checkout) + index) % SUBNETS
        yield IPv4Network(f"10.{200 + number // 256}.{number % 256}.0/24")


def bases(checkout: Path) -> Iterator[int]:
    """Where its ports may begin, best first."""
    for index in range(BLOCKS):
        yield LOWEST_PORT + (_digest(checkout) + index) % BLOCKS * PORTS


def _digest(checkout: Path) -> int:
    return int.from_bytes(hashlib.sha256(str(checkout).encode()).digest()[:4], "big")


def chosen_block_time(session: Session) -> int:
    """Anvil's is in whole seconds."""
    return max(1, round(session.chain.block_time))


def settings(plan: Plan) -> str:
    """swarm.env: what docker-compose.yml and peer/pod.yml leave open."""
    values = {
        "COMPOSE_PROJECT_NAME": plan.project,
        "COMPOSE_FILE": "docker-compose.yml:build/swarm/pods.yml",
        "COMPOSE_PROFILES": ",".join(plan.once),
        "LEARNAE_PROJECT": plan.project,
        "LEARNAE_USER": plan.user,
        "LEARNAE_NETWORK": f"{plan.project}-{plan.genesis}",
        "LEARNAE_SUBNET": plan.subnet,
        "LEARNAE_CHAIN_ID": plan.chain_id,
        "LEARNAE_BLOCK_TIME": plan.block_time,
        "LEARNAE_GENESIS": plan.genesis,
    }
    for name, number in (("CHAIN", CHAIN), ("PROMETHEUS", PROMETHEUS), ("GRAFANA", GRAFANA)):
        values |= {f"LEARNAE_{name}_ADDRESS": plan.address(2 + number), f"LEARNAE_{name}_PORT": plan.port(number)}
    return "".join(f"{key}={value}\n" for key, value in values.items())


def pods(plan: Plan) -> str:
    """pods.yml."""
    told = "# Made by `learnae compose render`: one pod for every peer, from peer/pod.yml.\nservices:\n"
    opened = _published(plan) if plan.invited.publish else ""
    return told + "\n".join(_pod(plan, name) for name in plan.hosted) + opened


def _published(plan: Plan) -> str:
    """The chain, for guests elsewhere; Compose adds it to what docker-compose.yml publishes."""
    return f'  chain:\n    ports: ["{plan.invited.publish}:{plan.port(CHAIN)}:{INSIDE_RPC}"]\n'


def _pod(plan: Plan, name: str) -> str:
    index, folder = plan.names.index(name), f"./build/swarm/pods/{name}"
    command = " ".join(peer_arguments(plan, name))
    ports = [f"{HOST}:{plan.port(API + index)}:{INSIDE_API}", f"{HOST}:{plan.port(LINK + index)}:{INSIDE_LINK}"]
    if plan.invited.publish:
        ports.append(f"{plan.invited.publish}:{plan.ipfs_port(name)}:{INSIDE_IPFS}")
    return f"""\
  link-{name}:
    extends: {{file: peer/pod.yml, service: link}}
    hostname: {name}
    networks: {{swarm: {{ipv4_address: {plan.pod(name)}}}}}
    ports: {json.dumps(ports)}
    volumes: ["{folder}/link:/pod:ro"]
  ipfs-{name}:
    extends: {{file: peer/pod.yml, service: ipfs}}
    network_mode: service:link-{name}
    volumes: ["{folder}/ipfs:/pod:ro"]
  peer-{name}:
    extends: {{file: peer/pod.yml, service: peer}}
    network_mode: service:link-{name}
    command: {command}
    volumes: ["{folder}/peer:/pod:ro", "./build/swarm/journals/{name}:/journal"]
"""


def peer_arguments(plan: Plan, name: str) -> Sequence[str]:
    """Of ``learnae``, in the peer's container."""
    options = {
        "name": name,
        "roster": "/pod/roster.json",
        "kubo": f"http://{HOST}:5001",
        "rpc": f"/pod/{RPC_FILE}" if plan.foreign else plan.rpc,
        "keystore": "/pod/wallet.json",
        "journal": f"/journal/{name}.sqlite",
        "rows": "/pod",
        "listen": f"0.0.0.0:{INSIDE_API}",
        "token-file": "/pod/token",
    }
    return ["peer", "/pod/session.toml", *(part for key, value in options.items() for part in (f"--{key}", value))]


def targets(plan: Plan, members: Iterable[Member]) -> list[dict[str, object]]:
    """What Prometheus scrapes (file_sd), no guests.  ``role``: the peer itself says it; ``policy``: to choose by."""
    return [
        {
            "targets": [f"{plan.pod(each.name)}:{INSIDE_API}"],
            "labels": {"peer": each.name, "role": each.role, "policy": str(each.group.policy)},
        }
        for each in members
        if each.name in plan.hosted
    ]
