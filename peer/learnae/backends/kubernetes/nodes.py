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
        usable = [each for each in self._listed() if not self._is_others(each)]
        if len(usable) < 2:
            raise InputError(
                f"node-drain needs a second node, to which pods can move, and the cluster has {len(usable)} in "
                "service: add one, or use another fault, such as stop"
            )

    def drain(self, node: str, pods: list[str], grace: int) -> None:
        """Take a node out of service, unless somebody else has, and move these pods of the swarm away from it."""
        if not any(each.metadata.name == node and self._is_others(each) for each in self._listed()):
            self._patch(node, unschedulable=True, drained_by=self._cluster.instance)
        for pod in pods:
            self._cluster.delete_pod(pod, grace)

    def restore(self, node: str) -> None:
        """Put a node back into service, if this swarm has taken it out."""
        if node in self._drained:
            self._patch(node, unschedulable=None, drained_by=None)

    def restore_all(self) -> None:
        """Also after a session that was killed.  Who may not list nodes has drained none."""
        if self._cluster.forbidden(NEEDED[:1]):
            return
        for node in self._drained:
            self._patch(node, unschedulable=None, drained_by=None)

    # private

    @property
    def _drained(self) -> list[str]:
        """Names of the nodes that this swarm has taken out of service."""
        ours = self._listed(label_selector=f"{DRAINED_BY}={self._cluster.instance}")
        return [node.metadata.name for node in ours]

    def _is_others(self, node: Any) -> bool:
        """Whether an administrator or another swarm has taken it out of service."""
        ours = (node.metadata.labels or {}).get(DRAINED_BY) == self._cluster.instance
        return bool(node.spec.unschedulable) and not ours

    def _listed(self, **options: str) -> list[Any]:
        return self._cluster.nodes(**options)

    def _patch(self, node: str, unschedulable: bool | None, drained_by: str | None) -> None:
        body = {"metadata": {"labels": {DRAINED_BY: drained_by}}, "spec": {"unschedulable": unschedulable}}
        self._cluster.patch_node(node, body)
