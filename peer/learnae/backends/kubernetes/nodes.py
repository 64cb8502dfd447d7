"""The nodes of a cluster, which a fault can drain.  All methods block and raise InputError."""

from typing import TYPE_CHECKING, Any

from learnae.errors import InputError

if TYPE_CHECKING:
    from learnae.backends.kubernetes.cluster import Cluster

DRAINED_BY = "learnae-drained-by"  # label of a node that a session has taken out of service, with the swarm's name
NEEDED = (("list", "", "nodes"), ("patch", "", "nodes"))  # verb, group and resource


class Nodes:
    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster

    def check(self) -> None:
        """Refuse a cluster without another node to which pods can move."""
        usable = [each for each in self._listed() if not each.spec.unschedulable or self._is_ours(each)]
        if len(usable) < 2:
            raise InputError(
                f"node-drain needs a second node, to which pods can move, and the cluster has {len(usable)} in "
                "service: add one, or use another fault, such as stop"
            )

    def drain(self, node: str, pods: list[str], grace: int) -> None:
        """Take a node out of service, and move these pods of the swarm away from it."""
        self._patch(node, unschedulable=True, drained_by=self._cluster.instance)
        for pod in pods:
            self._cluster.delete_pod(pod, grace)

    def restore(self, node: str) -> None:
        self._patch(node, unschedulable=None, drained_by=None)

    def restore_all(self) -> None:
        """Also after a session that was killed."""
        for node in self._listed(label_selector=f"{DRAINED_BY}={self._cluster.instance}"):
            self.restore(node.metadata.name)

    # private

    def _is_ours(self, node: Any) -> bool:
        return bool((node.metadata.labels or {}).get(DRAINED_BY) == self._cluster.instance)

    def _listed(self, **options: str) -> list[Any]:
        return self._cluster.nodes(**options)

    def _patch(self, node: str, unschedulable: bool | None, drained_by: str | None) -> None:
        body = {"metadata": {"labels": {DRAINED_BY: drained_by}}, "spec": {"unschedulable": unschedulable}}
        self._cluster.patch_node(node, body)
