"""Describes a swarm to Docker Compose: project, addresses, ports, pods.  Pure: the same plan gives the same files.

addresses   .2 chain  .3 prometheus  .4 grafana  .5 to .8 feed  .10 p00  .11 p01 ...        static, in one /24
ports       base chain  +1 prometheus  +2 grafana  +10 API of p00 ...  +200 link of p00 ...        on 127.0.0.1 only
            base chain  +10 IPFS node of p00 ...        for remote peers, on the published address

Remote peers are the last of the roster.  They run on other machines and have no pod.  A sensor has one container.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from learnae.backends.pods.plan import (
    HOST,
    INSIDE_API,
    INSIDE_IPFS,
    INSIDE_LINK,
    INSIDE_RPC,
    JOURNALS,
    NO_REMOTE_PEERS,
    READINGS,
    REPOSITORIES,
    RPC_FILE,
    USUAL_MODEL,
    Access,
    RemotePeerOptions,
    checkout_name,
    checkout_number,
    excess,
    peer_arguments,
)
from learnae.backends.pods.sensor_files import CSV, SENSOR
from learnae.errors import InputError
from learnae.messages.wire import MAX_MODEL
from learnae.session.roster import Member
from learnae.session.settings import FeedSettings

FIRST_POD, MAX_PODS = 10, 180
CHAIN, PROMETHEUS, GRAFANA, FEED = 0, 1, 2, 3  # offsets of addresses and, but for the feed, of ports
API, LINK = 10, 200  # ports of the first pod, above the base
PORTS, BLOCKS = 400, 30  # ports per block, blocks; below the ports that Linux gives to outgoing connections
LOWEST_PORT = 20_000
SUBNETS = 4096
CHAIN_SERVICE = "chain"
RPC_SERVICE = "rpc"  # the filter in front of the chain
MEMORY, PER_MODEL = 512 << 20, 12  # bytes of a peer: with a usual model, and for each byte of a larger one
FEED_SERVICE = "feed"  # the broker, or the first node of the Tangle, which faults kill


@dataclass(frozen=True)
class Plan:
    """``user``: uid:gid that owns the files and runs the containers.  ``genesis``: Unix seconds of block 0.

    ``external_chain``: the swarm has no chain of its own.  The URL of the external one is a secret in the pods' files.
    ``sensors``: those of ``names`` that are sensors.  ``feed``: their settings.
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
    remote: RemotePeerOptions = NO_REMOTE_PEERS
    external_chain: bool = False
    sensors: tuple[str, ...] = ()
    feed: FeedSettings = FeedSettings()

    def __post_init__(self) -> None:
        refuse_too_many(len(self.names))

    @property
    def shared_services(self) -> tuple[str, ...]:
        """The services that all pods share; each is a profile of its own."""
        return self.profiles if self.external_chain else (CHAIN_SERVICE, *self.profiles)

    @property
    def hosted(self) -> tuple[str, ...]:
        """The peers that have a pod."""
        peers = tuple(name for name in self.names if name not in self.sensors)
        return peers[: len(peers) - self.remote.count]

    @property
    def remote_names(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.sensors and name not in self.hosted)

    @property
    def max_model(self) -> int:
        """Bytes.  A remote peer uploads its whole journal at once."""
        return max_model(self.remote)

    @property
    def tangle(self) -> bool:
        """Whether the feed is a Tangle.  Otherwise it is a broker."""
        return self.feed.kind == "tangle"

    @property
    def feed_services(self) -> tuple[str, ...]:
        """The containers of the feed; none without sensors, or with a broker that already runs."""
        if not self.sensors or self.feed.url:
            return ()
        return (
            FEED_SERVICE,
            *(f"{FEED_SERVICE}-{number}" for number in range(1, self.feed.nodes if self.tangle else 1)),
        )

    @property
    def feed_hosts(self) -> tuple[str, ...]:
        """The addresses of these containers."""
        return tuple(self.address(2 + FEED + number) for number in range(len(self.feed_services)))

    @property
    def feed_url(self) -> str | None:
        """Of the feed inside the swarm; None without sensors."""
        if not self.sensors:
            return None
        return self.feed.url or f"{'tangle' if self.tangle else 'mqtt'}://{','.join(self.feed_hosts)}"

    def address(self, number: int) -> str:
        return str(self.subnet[number])

    def port(self, number: int) -> int:
        return self.base + number

    @property
    def rpc(self) -> str:
        """URL of the chain inside the swarm."""
        return f"http://{self.address(2 + CHAIN)}:8545"

    @property
    def outer_rpc(self) -> str:
        """URL of the chain on the host."""
        return f"http://{HOST}:{self.port(CHAIN)}"

    @property
    def access(self) -> Access:
        """How remote peers reach the swarm."""
        publish = self.remote.publish
        ipfs = {
            name: f"/ip4/{publish}/tcp/{self.ipfs_port(name)}" if publish else self.ipfs_address(name)
            for name in self.hosted
        }
        return Access(ipfs, f"http://{publish or HOST}:{self.port(CHAIN)}", publish)

    def ipfs_address(self, name: str) -> str:
        """Address of a peer's IPFS node for the pods."""
        return f"/ip4/{self.pod(name)}/tcp/{INSIDE_IPFS}"

    def ipfs_port(self, name: str) -> int:
        return self.port(API + self.names.index(name))

    def api(self, name: str) -> str:
        """URL of a peer's API on the host."""
        return f"http://{HOST}:{self.port(API + self.names.index(name))}"

    def link(self, name: str) -> str:
        """URL of a pod's link agent on the host."""
        return f"http://{HOST}:{self.port(LINK + self.names.index(name))}"

    def pod(self, name: str) -> str:
        """The address of a peer's pod."""
        return self.address(FIRST_POD + self.names.index(name))

    def ports(self) -> Iterator[int]:
        yield from (self.port(number) for number in (CHAIN, PROMETHEUS, GRAFANA))
        yield from (self.port(first + index) for first in (API, LINK) for index in range(len(self.names)))


def max_model(remote: RemotePeerOptions) -> int:
    return USUAL_MODEL if remote.count else MAX_MODEL


def refuse_too_many(peers: int) -> None:
    """Raises InputError."""
    if peers > MAX_PODS:
        raise InputError(
            f"{peers} peers do not fit: the compose backend runs at most {MAX_PODS}; simulate larger swarms"
        )


def project(checkout: Path) -> str:
    """The Compose project."""
    return checkout_name(checkout)


def subnets(checkout: Path) -> Iterator[IPv4Network]:
    """Candidates for the swarm's subnet, best first: private and seldom used."""
    for index in range(SUBNETS):
        number = (checkout_number(checkout) + index) % SUBNETS
        yield IPv4Network(f"10.{200 + number // 256}.{number % 256}.0/24")


def bases(checkout: Path) -> Iterator[int]:
    """Candidates for the first port, best first."""
    for index in range(BLOCKS):
        yield LOWEST_PORT + (checkout_number(checkout) + index) % BLOCKS * PORTS


def settings(plan: Plan) -> str:
    """The text of swarm.env: the variables of docker-compose.yml and peer/pod.yml."""
    values = {
        "COMPOSE_PROJECT_NAME": plan.project,
        "COMPOSE_FILE": "docker-compose.yml:build/swarm/pods.yml",
        "COMPOSE_PROFILES": ",".join(plan.shared_services),
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


def pods(plan: Plan, model: int = 0) -> str:
    """The text of pods.yml.  ``model``: its bytes; peers have more memory for a large one."""
    header = "# Written by `learnae compose render`: one pod for every peer, from peer/pod.yml.\nservices:\n"
    published = _published_chain(plan) if plan.remote.publish else ""
    feed = [_feed_node(plan, number) for number in range(len(plan.feed_services))]
    parts = [*(_pod(plan, name, model) for name in plan.hosted), *feed, *(_sensor(plan, name) for name in plan.sensors)]
    return header + "\n".join(parts) + published


def _published_chain(plan: Plan) -> str:
    """Publishes the chain for remote peers, in addition to the ports in docker-compose.yml."""
    return f'  {RPC_SERVICE}:\n    ports: ["{plan.remote.publish}:{plan.port(CHAIN)}:{INSIDE_RPC}"]\n'


def _pod(plan: Plan, name: str, model: int) -> str:
    index, folder = plan.names.index(name), f"./build/swarm/pods/{name}"
    command = " ".join(peer_arguments(name, f"/pod/{RPC_FILE}" if plan.external_chain else plan.rpc, plan.feed_url))
    ports = [f"{HOST}:{plan.port(API + index)}:{INSIDE_API}", f"{HOST}:{plan.port(LINK + index)}:{INSIDE_LINK}"]
    if plan.remote.publish:
        ports.append(f"{plan.remote.publish}:{plan.ipfs_port(name)}:{INSIDE_IPFS}")
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
    volumes: ["{folder}/ipfs:/pod:ro", "./build/swarm/{REPOSITORIES}/{name}:/repo"]
  peer-{name}:
    extends: {{file: peer/pod.yml, service: peer}}
    network_mode: service:link-{name}
    mem_limit: {MEMORY + PER_MODEL * excess(model)}
    command: {command}
    volumes: ["{folder}/peer:/pod:ro", "./build/swarm/{JOURNALS}/{name}:/journal"]
"""


def _feed_node(plan: Plan, number: int) -> str:
    service, folder = plan.feed_services[number], f"./build/swarm/feed/node-{number}"
    return f"""\
  {service}:
    extends: {{file: peer/pod.yml, service: {"tangle" if plan.tangle else "broker"}}}
    networks: {{swarm: {{ipv4_address: {plan.feed_hosts[number]}}}}}
    volumes: ["{folder}:{"/seed:ro" if plan.tangle else "/data"}"]
"""


def _sensor(plan: Plan, name: str) -> str:
    options = f"--rows {plan.feed.rows} --every {plan.feed.every:g} --state /journal/{name}.state"
    records = f"--roster /pod/roster.json --records /journal/{READINGS}"
    return f"""\
  sensor-{name}:
    extends: {{file: peer/pod.yml, service: sensor}}
    hostname: {name}
    networks: {{swarm: {{ipv4_address: {plan.pod(name)}}}}}
    command: {options} {records} /pod/{SENSOR} /pod/{CSV}
    volumes: ["./build/swarm/pods/{name}/sensor:/pod:ro", "./build/swarm/{JOURNALS}/{name}:/journal"]
"""


def targets(plan: Plan, members: Iterable[Member]) -> list[dict[str, object]]:
    """What Prometheus scrapes (file_sd): the peers that have a pod, with labels to select them by."""
    return [
        {
            "targets": [f"{plan.pod(member.name)}:{INSIDE_API}"],
            "labels": {"peer": member.name, "role": member.role, "policy": str(member.group.policy)},
        }
        for member in members
        if member.name in plan.hosted
    ]
