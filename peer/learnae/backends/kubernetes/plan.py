"""Describes a swarm on Kubernetes: names, images, ports.  Pure: the same plan gives the same manifests.

learnae-1234abcd-peers-7       the pod of p07; the headless service of the same set gives it a name, wherever it runs
learnae-1234abcd-chain-0       the pod of Anvil and its filter
"""

from dataclasses import dataclass

from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import (
    INSIDE_IPFS,
    INSIDE_RPC,
    NO_REMOTE_PEERS,
    RPC_FILE,
    USUAL_MODEL,
    RemotePeerOptions,
    least_model,
    refuse_device,
    require_size,
)
from learnae.errors import InputError
from learnae.session.settings import Session

INSIDE_FILES = 7100  # port of the pods' files, on loopback
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
CONTAINER_USER = 1000  # uid and gid
POD_GATE, PEER_GATE = "pod", "peer"
CHAIN_SETTINGS = "settings"  # file of the chain's pod: its environment
MAX_PODS = 200


@dataclass(frozen=True)
class ClusterPlan:
    """``instance``: names everything of this swarm.  ``genesis``: Unix seconds of block 0.

    ``links``: pods have link agents, which need NET_ADMIN; only sessions with faults have them.
    ``storage_class``: of the volumes; None for the cluster's default.  ``user``: uid:gid of the files on the host.
    ``external_port``: the swarm has no chain of its own, and peers reach any host at this port; the URL of the external
    chain is a secret in the pods' files.  ``remote``: the last of ``names`` that have no pod.
    """

    instance: str
    names: tuple[str, ...]
    images: Images
    genesis: int
    chain_id: int
    block_time: int
    links: bool = False
    storage_class: str | None = None
    user: str = f"{CONTAINER_USER}:{CONTAINER_USER}"
    external_port: int | None = None
    remote: RemotePeerOptions = NO_REMOTE_PEERS

    def __post_init__(self) -> None:
        if len(self.names) > MAX_PODS:
            raise InputError(
                f"{len(self.names)} peers do not fit: the kubernetes backend runs at most {MAX_PODS}; simulate larger "
                "swarms"
            )

    sensors, feed_url = (), None  # it refuses them
    max_model = USUAL_MODEL  # the limits in the manifests are the same for all sessions
    subnet = None  # the cluster's pods may have any address; a NetworkPolicy says who may connect

    @property
    def hosted(self) -> tuple[str, ...]:
        return self.names[: len(self.names) - self.remote.count]

    @property
    def remote_names(self) -> tuple[str, ...]:
        return self.names[len(self.hosted) :]

    @property
    def peers(self) -> str:
        """The set of the peers, and its service."""
        return f"{self.instance}-peers"

    @property
    def chain(self) -> str:
        """The set of the chain, and its service."""
        return f"{self.instance}-chain"

    @property
    def chain_pod(self) -> str:
        return f"{self.chain}-0"

    @property
    def chain_pods(self) -> tuple[str, ...]:
        """The pod of the chain, if the swarm has one of its own."""
        return () if self.external_port is not None else (self.chain_pod,)

    @property
    def pods(self) -> dict[str, str]:
        """The names of the peers' pods, by peer."""
        return {name: f"{self.peers}-{index}" for index, name in enumerate(self.hosted)}

    @property
    def chain_settings(self) -> str:
        """A file and not a part of the manifests, which are the same for all sessions."""
        return f"CHAIN_ID={self.chain_id}\nBLOCK_TIME={self.block_time}\nGENESIS={self.genesis}\n"

    @property
    def rpc(self) -> str:
        """URL of the chain inside the cluster, or the file of a pod that holds it."""
        if self.external_port is not None:
            return f"/pod/{RPC_FILE}"
        return f"http://{self.chain}:{INSIDE_RPC}"

    def ipfs_address(self, name: str) -> str:
        """By name, since a pod that returns has another address."""
        return f"/dns4/{self.pods[name]}.{self.peers}/tcp/{INSIDE_IPFS}"


def refuse_what_is_missing(session: Session) -> None:
    """Raises InputError for what this backend cannot do, with the backend that can."""
    refuse_device(session)
    require_size(least_model(session), USUAL_MODEL)
    for fault in session.faults:
        if fault.kind.pauses or fault.kind.value in ("ipfs-stop", "chain-kill"):
            raise InputError(
                f"the kubernetes backend cannot inject {fault.kind}, since Kubernetes only deletes whole pods: "
                "use --backend compose, or other faults"
            )
