"""What `learnae doctor` reports about the cluster of the current context."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from learnae.backends.base import ClusterOptions, Finding
from learnae.backends.kubernetes.installation import Made
from learnae.backends.pods.plan import checkout_name
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

if TYPE_CHECKING:
    from learnae.backends.kubernetes.cluster import Cluster


def findings(peers: int | None) -> Iterator[Finding]:
    """Clusters are optional, so a missing one is no problem to be fixed."""
    try:
        from learnae.backends.kubernetes.cluster import Cluster

        cluster = Cluster(ClusterOptions(), checkout_name(REPOSITORY))
        version, refused = cluster.version(), cluster.forbidden(Made.needed)
    except InputError as error:
        yield Finding(True, "no Kubernetes: BACKEND=kubernetes is not available", str(error))
        return
    where = f"Kubernetes {version}, context {cluster.context}, namespace {cluster.namespace}"
    yield Finding(not refused, where, f"you may not {', '.join(refused)} there" if refused else "")
    yield from _namespace(cluster)


def _namespace(cluster: "Cluster") -> Iterator[Finding]:
    try:
        level, storage, quotas = cluster.pod_security(), cluster.default_storage_class(), cluster.quotas()
    except InputError as error:
        yield Finding(True, "Pod Security, StorageClass and quotas are unknown", str(error))
        return
    if level in ("", "privileged"):
        yield Finding(True, "Pod Security allows sessions with and without faults")
    else:
        label = f"kubectl label namespace {cluster.namespace} pod-security.kubernetes.io/enforce=privileged --overwrite"
        yield Finding(True, f"Pod Security ({level}) allows sessions without faults", f"for faults: {label}")
    fix = "" if storage else "give one with --storage-class, or make one the default"
    yield Finding(storage is not None, f"default StorageClass: {storage or 'none'}", fix)
    for quota in quotas:
        yield Finding(True, f"quota {quota}")
