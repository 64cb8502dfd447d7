"""A sweep as an Indexed Job: every pod runs one shard, into a volume that they share.  Pure."""

import shlex
from collections.abc import Sequence
from typing import Any

from learnae.backends.kubernetes.manifests import pod_security, restricted

Object = dict[str, Any]

SESSION_FILE, SHARED = "/session/session.toml", "/shared"
PROCESSORS, MEMORY = "1", "2Gi"  # a run needs about 0.5 GiB; a pod runs as many at once as it has processors


def sweep_job(name: str, session: str, arguments: Sequence[str], shards: int, image: str, claim: str) -> list[Object]:
    """``session``: text of the session file.  ``arguments``: of `learnae sweep`, besides those about shards.

    ``claim``: a PersistentVolumeClaim, below which the runs are written to ``name``.
    """
    words = ["learnae", "sweep", SESSION_FILE, *arguments, "--out", f"{SHARED}/{name}"]
    sweep = f"{shlex.join(words)} --shard $((JOB_COMPLETION_INDEX + 1))/{shards}"
    labels = {"app.kubernetes.io/name": "learnae-sweep", "app.kubernetes.io/instance": name}
    resources = {"cpu": PROCESSORS, "memory": MEMORY}
    container = {
        "name": "sweep",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", sweep],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": {"requests": resources, "limits": resources},
        "securityContext": restricted(),
        "volumeMounts": [
            {"name": "session", "mountPath": "/session"},
            {"name": "shared", "mountPath": SHARED},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [
            {"name": "session", "configMap": {"name": name}},
            {"name": "shared", "persistentVolumeClaim": {"claimName": claim}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }
    job = {
        "completions": shards,
        "parallelism": shards,
        "completionMode": "Indexed",
        "backoffLimitPerIndex": 2,  # a shard with a run that is not valid fails; the other shards go on
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    metadata = {"name": name, "labels": labels}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"session.toml": session}},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job},
    ]
