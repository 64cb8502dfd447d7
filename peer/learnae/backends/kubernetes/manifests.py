"""The Kubernetes objects of a swarm.  Pure.

A pod's containers start one after the other:

    files     takes the pod's files from the host, over the API server, onto its volume; stays
    wait      until the host opens the gate "pod"
    link      only in sessions with faults; stays             (the chain's pod: rpc, the filter)
    ipfs      stays; ready when it accepts connections
    wait      until the host opens the gate "peer", at the session's second 0 or when a peer joins late
    peer      the peer                                        (the chain's pod: Anvil)

Without link agents the pods meet the Pod Security level "restricted".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from learnae.backends.kubernetes.plan import (
    CHAIN_SETTINGS,
    COMPONENT,
    CONTAINER_USER,
    INSIDE_FILES,
    INSTANCE,
    PEER_GATE,
    POD_GATE,
    ClusterPlan,
)
from learnae.backends.pods.plan import HOST, INSIDE_API, INSIDE_IPFS, INSIDE_LINK, INSIDE_RPC, peer_arguments

Object = dict[str, Any]

STARTS = {"periodSeconds": 1, "failureThreshold": 120}  # a probe that waits up to two minutes
DNS_PORT = 53
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}  # the label by which pods of Prometheus are known
VOLUME_SIZE = "1Gi"
RUN_CHAIN = f"set -a; . /chain/{CHAIN_SETTINGS}; exec /start.sh"
RUN_PEER = "name=$(cat /pod/name); exec sh /stay.sh /journal /gates sh /supervise.sh killed python -m learnae {}"


def manifests(plan: ClusterPlan) -> list[Object]:
    chain = [
        _service(plan, plan.chain, "chain", INSIDE_RPC),
        _network_policy(plan, plan.chain, "chain", _chain_rules(plan)),
        _set(plan, plan.chain, "chain", 1, _chain_pod(plan)),
    ]
    return [
        *(chain if plan.chain_pods else ()),
        _service(plan, plan.peers, "peer", INSIDE_IPFS),
        _network_policy(plan, plan.peers, "peer", _peer_rules(plan)),
        _set(plan, plan.peers, "peer", len(plan.hosted), _peer_pod(plan)),
    ]


def labels(plan: ClusterPlan, component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "learnae", INSTANCE: plan.instance, COMPONENT: component}


def pods_of(plan: ClusterPlan, component: str) -> Object:
    """These pods, in a NetworkPolicy."""
    return {"podSelector": {"matchLabels": labels(plan, component)}}


def pod_security() -> Object:
    """What the Pod Security level "restricted" asks of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": CONTAINER_USER,
        "runAsGroup": CONTAINER_USER,
        "fsGroup": CONTAINER_USER,
        "fsGroupChangePolicy": "OnRootMismatch",  # or files would become readable for the group at each start
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def restricted() -> Object:
    """What it asks of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


# private


def _object(plan: ClusterPlan, version: str, kind: str, name: str, component: str, spec: Object) -> Object:
    metadata = {"name": name, "labels": labels(plan, component)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _service(plan: ClusterPlan, name: str, component: str, port: int) -> Object:
    """Headless, and also for pods that are not ready: peers find each other before they begin."""
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": labels(plan, component),
        "ports": [{"port": port}],
    }
    return _object(plan, "v1", "Service", name, component, spec)


def _network_policy(plan: ClusterPlan, name: str, component: str, rules: Object) -> Object:
    """The host needs no rule: the API server forwards it to loopback."""
    spec = pods_of(plan, component) | {"policyTypes": ["Ingress", "Egress"]} | rules
    return _object(plan, "networking.k8s.io/v1", "NetworkPolicy", name, component, spec)


def _peer_rules(plan: ClusterPlan) -> Object:
    """Peers reach each other's IPFS nodes, the chain and DNS; Prometheus reads metrics; nothing else is allowed."""
    peers, chain = (pods_of(plan, part) for part in ("peer", "chain"))
    dns = [{"port": DNS_PORT, "protocol": protocol} for protocol in ("UDP", "TCP")]
    prometheus = {"namespaceSelector": {}, "podSelector": {"matchLabels": PROMETHEUS}}
    own, external = {"to": [chain], "ports": [{"port": INSIDE_RPC}]}, {"ports": [{"port": plan.external_port}]}
    return {
        "ingress": [
            {"from": [peers], "ports": [{"port": INSIDE_IPFS}]},
            {"from": [prometheus], "ports": [{"port": INSIDE_API}]},
        ],
        "egress": [
            {"to": [peers], "ports": [{"port": INSIDE_IPFS}]},
            own if plan.chain_pods else external,
            {"ports": dns},
        ],
    }


def _chain_rules(plan: ClusterPlan) -> Object:
    return {"ingress": [{"from": [pods_of(plan, "peer")], "ports": [{"port": INSIDE_RPC}]}], "egress": []}


def _set(plan: ClusterPlan, name: str, component: str, replicas: int, pod: Object) -> Object:
    claim: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": VOLUME_SIZE}}}
    if plan.storage_class is not None:
        claim["storageClassName"] = plan.storage_class
    spec = {
        "replicas": replicas,
        "serviceName": name,
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": labels(plan, component)},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Delete"},
        "volumeClaimTemplates": [{"metadata": {"name": "volume", "labels": labels(plan, component)}, "spec": claim}],
        "template": pod,
    }
    return _object(plan, "apps/v1", "StatefulSet", name, component, spec)


def _pod(plan: ClusterPlan, component: str, before: Sequence[Object], main: Object, annotations: Object) -> Object:
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": pod_security(),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(plan, component)},
            }
        ],
        "initContainers": list(before),
        "containers": [main],
        "volumes": [
            {"name": "gates", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    }
    metadata: Object = {"labels": labels(plan, component)}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}


def _peer_pod(plan: ClusterPlan) -> Object:
    peer = plan.images["peer"]
    ipfs = _sidecar("ipfs", plan.images["ipfs"], (100, 1000), (96, 256), {"ipfs": "/pod", "repository": "/repo"})
    ipfs |= {"env": [{"name": "GOGC", "value": "400"}], "startupProbe": _connects(INSIDE_IPFS) | STARTS}
    before = [_files(plan, PEER_GATE), _gate(plan, POD_GATE)]
    before += [_link(plan)] if plan.links else []
    before += [ipfs, _gate(plan, PEER_GATE)]
    main = _container("peer", peer, (200, 1000), (224, 512), {"peer": "/pod", "journal": "/journal"})
    main["volumeMounts"].append({"name": "gates", "mountPath": "/gates"})
    main |= {
        "command": ["sh", "-c", RUN_PEER.format(" ".join(peer_arguments("$name", plan.rpc)))],
        "ports": [{"name": "api", "containerPort": INSIDE_API}],
        "readinessProbe": _connects(INSIDE_API) | {"periodSeconds": 5},
    }
    annotations = {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(INSIDE_API),
        "prometheus.io/path": "/metrics",
    }
    return _pod(plan, "peer", before, main, annotations)


def _chain_pod(plan: ClusterPlan) -> Object:
    node = f"{HOST}:8546"
    rpc = _sidecar("rpc", plan.images["peer"], (50, 500), (48, 160), {})
    rpc |= {
        "command": ["python3", "-S", "-m", "learnae.rpc_filter", "--listen", f"0.0.0.0:{INSIDE_RPC}", "--node", node],
        "ports": [{"name": "rpc", "containerPort": INSIDE_RPC}],
        "startupProbe": {"httpGet": {"path": "/healthz", "port": INSIDE_RPC}} | STARTS,
    }
    main = _container("chain", plan.images["chain"], (100, 1000), (96, 512), {"chain": "/chain"})
    main["command"] = ["bash", "-c", RUN_CHAIN]
    before = [_files(plan, POD_GATE), _gate(plan, POD_GATE), rpc]
    return _pod(plan, "chain", before, main, {})


def _files(plan: ClusterPlan, last_gate: str) -> Object:
    files = _sidecar("files", plan.images["peer"], (10, 500), (32, 96), {})
    command = ["python3", "-S", "-m", "learnae.pod_files", "--listen", f"{HOST}:{INSIDE_FILES}"]
    command += ["--volume", "/volume", "--gates", "/gates", "--last", last_gate, "--folder", "journal", "repository"]
    files["command"] = command
    files["volumeMounts"] += [{"name": "volume", "mountPath": "/volume"}, {"name": "gates", "mountPath": "/gates"}]
    return files


def _gate(plan: ClusterPlan, gate: str) -> Object:
    waits = _container(f"wait-{gate}", plan.images["peer"], (10, 100), (8, 16), {})
    waits["command"] = ["sh", "-c", f"until [ -e /gates/{gate} ]; do sleep 0.2; done"]
    waits["volumeMounts"].append({"name": "gates", "mountPath": "/gates", "readOnly": True})
    return waits


def _link(plan: ClusterPlan) -> Object:
    link = _sidecar("link", plan.images["peer"], (20, 250), (24, 64), {"link": "/pod"})
    link["command"] = ["python3-link", "-S", "-m", "learnae.link_agent", "--listen", f"{HOST}:{INSIDE_LINK}"]
    link["command"] += ["--token-file", "/pod/token"]
    # the capabilities are those of files: of iptables and of this Python
    link["securityContext"] |= {
        "allowPrivilegeEscalation": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
    }
    return link


def _sidecar(
    name: str, image: str, cpu: tuple[int, int], memory: tuple[int, int], folders: Mapping[str, str]
) -> Object:
    return _container(name, image, cpu, memory, folders) | {"restartPolicy": "Always"}


def _container(
    name: str, image: str, cpu: tuple[int, int], memory: tuple[int, int], folders: Mapping[str, str]
) -> Object:
    """``cpu`` in thousandths, ``memory`` in MiB: requested, and at most.  ``folders``: of the volume, and where."""
    requests, limits = ({"cpu": f"{cpu[index]}m", "memory": f"{memory[index]}Mi"} for index in (0, 1))
    mounts = [{"name": "volume", "mountPath": path, "subPath": folder} for folder, path in folders.items()]
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": requests, "limits": limits},
        "securityContext": restricted(),
        "volumeMounts": [*mounts, {"name": "scratch", "mountPath": "/tmp", "subPath": name}],
    }


def _connects(port: int) -> Object:
    return {"tcpSocket": {"port": port}}
