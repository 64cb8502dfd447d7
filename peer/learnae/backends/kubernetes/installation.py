"""How the objects of a swarm come into the cluster: made for one session, or installed before as a Helm release."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from learnae.backends.kubernetes.manifests import manifests
from learnae.backends.kubernetes.plan import ClusterPlan
from learnae.errors import InputError

if TYPE_CHECKING:
    from learnae.backends.base import ClusterOptions
    from learnae.backends.kubernetes.cluster import Cluster

CHART = "learnae kubernetes chart writes the chart CHART"


Needed = tuple[tuple[str, str, str], ...]  # verb, group and resource


class Objects(Protocol):
    """All methods raise InputError.  ``needed``: what the user must be allowed to do."""

    needed: ClassVar[Needed]

    def check(self) -> None:
        """Refuse a cluster that does not fit the session."""
        ...

    def start(self) -> None:
        """Give the session new pods with empty volumes."""
        ...

    def remove(self) -> int:
        """Remove all pods and volumes, also those of an earlier session; how many objects were removed."""
        ...


@dataclass(frozen=True)
class Made:
    """The session's own objects."""

    cluster: "Cluster"
    plan: ClusterPlan
    needed: ClassVar[Needed] = (
        ("create", "apps", "statefulsets"),
        ("create", "", "services"),
        ("create", "networking.k8s.io", "networkpolicies"),
        ("create", "", "pods/portforward"),
        ("list", "", "pods"),
        ("deletecollection", "", "persistentvolumeclaims"),
    )

    def check(self) -> None:
        """Everything fits, since it is made for the session."""

    def start(self) -> None:
        self.cluster.create(manifests(self.plan))

    def remove(self) -> int:
        return self.cluster.remove()


@dataclass(frozen=True)
class Installed:
    """A release of the chart, whose sets have as many pods as the session needs, and none after it."""

    cluster: "Cluster"
    plan: ClusterPlan
    needed: ClassVar[Needed] = (
        ("patch", "apps", "statefulsets/scale"),
        ("create", "", "pods/portforward"),
        ("list", "", "pods"),
        ("deletecollection", "", "persistentvolumeclaims"),
    )

    def check(self) -> None:
        release = self.plan.instance
        sets = self.cluster.sets()
        if self.plan.peers not in sets:
            raise InputError(
                f"the namespace {self.cluster.namespace} has no release {release} of the chart: helm install {release} "
                f"CHART ({CHART})"
            )
        if (self.plan.chain in sets) != bool(self.plan.chain_pods):
            has, port = ("no chain", 0) if self.plan.chain_pods else ("a chain of its own", self.plan.external_port)
            raise InputError(
                f"the release {release} has {has}: helm upgrade {release} CHART --reuse-values "
                f"--set externalChainPort={port}"
            )
        if self.plan.links and "link" not in sets[self.plan.peers]:
            raise InputError(
                f"the pods of the release {release} have no link agents, which faults need: helm upgrade {release} "
                "CHART --reuse-values --set faults=true"
            )

    def start(self) -> None:
        for name, replicas in self._sets.items():
            self.cluster.scale(name, replicas)

    def remove(self) -> int:
        return empty_release(self.cluster)

    @property
    def _sets(self) -> dict[str, int]:
        chain = {self.plan.chain: 1} if self.plan.chain_pods else {}
        return chain | {self.plan.peers: len(self.plan.hosted)}


def empty_release(cluster: "Cluster") -> int:
    """Remove the pods and volumes of a release, whose other objects stay; how many were removed."""
    for name in cluster.sets():
        cluster.scale(name, 0)
    return cluster.remove(("pod", "persistentvolumeclaim"))


def objects_of(options: "ClusterOptions", cluster: "Cluster", plan: ClusterPlan) -> Objects:
    """Raises InputError: options that the release decides."""
    if options.release is None:
        return Made(cluster, plan)
    for given, option, value in (
        (options.images, "--images", "images.prefix=PREFIX --set-string images.tag=TAG"),
        (options.storage_class, "--storage-class", "storageClass=NAME"),
    ):
        if given:
            raise InputError(
                f"{option}: the release {options.release} decides it: helm upgrade {options.release} CHART "
                f"--reuse-values --set {value}"
            )
    return Installed(cluster, plan)
