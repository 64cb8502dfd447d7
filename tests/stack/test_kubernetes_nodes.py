"""Several nodes: the two of the real cluster, one of which is drained, and nodes that KWOK keeps on paper only."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import here, refused
from tests.stack.test_kubernetes import FOUR, kubectl, left, session

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks.faults import crossings
from learnae.backends.base import ClusterOptions
from learnae.backends.kubernetes.cluster import Cluster
from learnae.backends.kubernetes.installation import Made
from learnae.backends.kubernetes.nodes import Nodes
from learnae.backends.kubernetes.plan import MAX_PODS
from learnae.backends.kubernetes.rendering import plan_for
from learnae.backends.pods.plan import checkout_name
from learnae.checkout import REPOSITORY
from learnae.records.history import Effect, FaultEnded, PeerRestarted
from learnae.session.session_file import parse

pytestmark = [pytest.mark.soak, pytest.mark.kubernetes]

REAL = ("learnae-node-0", "learnae-node-1")
PAPER = [f"paper-{number}" for number in range(17)]  # a node of 4 cores takes 12 peers
KWOK, STAGES = (str(REPOSITORY / ".tools" / path) for path in ("bin/kwok", "kwok/stages.yaml"))


def cluster() -> Cluster:
    return Cluster(ClusterOptions(), checkout_name(REPOSITORY))


def items(kind: str) -> list[dict[str, Any]]:
    return list(json.loads(kubectl("get", kind, "-o", "json"))["items"])


def placements() -> dict[str, tuple[str, str, str]]:
    """When each pod was bound to which node, by the uid of the pod: also of pods that are gone."""
    bound = [each for each in items("events") if each["reason"] == "Scheduled"]
    return {
        each["involvedObject"]["uid"]: (
            each["eventTime"],
            each["involvedObject"]["name"],
            each["message"].rpartition(" ")[2],
        )
        for each in bound
    }


def test_all_pods_leave_a_drained_node_and_its_peers_continue_with_their_journals(tmp_path: Path) -> None:
    fault = {"kind": "node-drain", "at": 2.0, "duration": 8.0, "targets": ["p00"]}
    file, run = session(tmp_path, faults=[fault], work=FOUR["work"] | {"slices": 20}), tmp_path / "run"
    earlier = placements()
    done = here(tmp_path, "swarm", str(file), "--backend", "kubernetes", "--out", str(run))
    assert done.returncode == 0, done.stdout + done.stderr
    nodes: dict[str, list[str]] = {}
    for _, pod, node in sorted(place for uid, place in placements().items() if uid not in earlier):
        nodes.setdefault(pod, []).append(node)
    plan = plan_for(parse(FOUR))
    [drained, other] = nodes[plan.pods["p00"]]
    assert {drained, other} == set(REAL) and nodes.keys() == {*plan.pods.values(), plan.chain_pod}
    assert all(places in ([drained, other], [other]) for places in nodes.values()), nodes
    history = RunDirectory(run).read()
    [ended] = history.of(FaultEnded)
    assert ended.fact.effect is Effect.APPLIED  # type: ignore[union-attr]
    moved = [name for name, pod in plan.pods.items() if len(nodes[pod]) == 2]
    assert sorted(record.peer for record in history.of(PeerRestarted)) == moved
    assert all(after > 0 for _, after in crossings(history))
    assert not any(node.spec.unschedulable for node in cluster().nodes()) and not left()
    assert here(tmp_path, "audit", str(run)).returncode == 0


def test_the_only_node_in_service_cannot_be_drained(tmp_path: Path) -> None:
    file = session(tmp_path, faults=[{"kind": "node-drain", "at": 2.0, "duration": 5.0}])
    with cordoned(REAL[1]):
        done = here(tmp_path, "swarm", str(file), "--backend", "kubernetes")
    refused(done, "node-drain needs a second node")


def test_down_puts_a_node_back_that_a_killed_session_had_drained(tmp_path: Path) -> None:
    def unschedulable() -> list[str]:
        return [node.metadata.name for node in cluster().nodes() if node.spec.unschedulable]

    Nodes(cluster()).drain(REAL[1], [], 10)
    assert unschedulable() == [REAL[1]]
    assert here(tmp_path, "kubernetes", "down").returncode == 0
    assert unschedulable() == []


def test_two_hundred_peers_find_their_nodes_and_names_and_are_removed_again(tmp_path: Path) -> None:
    plan = plan_for(parse(FOUR | {"peers": MAX_PODS}))
    with cordoned(*REAL), on_paper():
        try:
            Made(cluster(), plan).start()
            for name in (plan.peers, plan.chain):
                kubectl("rollout", "status", f"statefulset/{name}", "--timeout", "280s")
            states = {state.name: state for state in cluster().pods()}
            assert states.keys() == {*plan.pods.values(), plan.chain_pod}
            assert not any(state.problem for state in states.values())
            per_node = Counter(states[pod].node for pod in plan.pods.values())
            assert per_node.keys() == set(PAPER) and max(per_node.values()) <= 12, per_node
            slices = [each for each in items("endpointslices") if each["metadata"]["name"].startswith(plan.peers)]
            hosts = [endpoint["hostname"] for each in slices for endpoint in each["endpoints"]]
            assert sorted(hosts) == sorted(plan.pods.values())
        finally:
            down = here(tmp_path, "kubernetes", "down")
    assert down.returncode == 0 and not left()


@contextmanager
def cordoned(*nodes: str) -> Iterator[None]:
    kubectl("cordon", *nodes)
    try:
        yield
    finally:
        kubectl("uncordon", *nodes)


@contextmanager
def on_paper() -> Iterator[None]:
    """Nodes whose pods run as soon as they are scheduled, without containers."""
    size = {"cpu": "4", "memory": "16Gi", "pods": "110"}
    nodes = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"kubernetes.io/hostname": name},
            },
            "status": {"allocatable": size, "capacity": size},
        }
        for name in PAPER
    ]
    command = [KWOK, "--config", STAGES, "--manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake"]
    command += ["--node-lease-duration-seconds", "40"]  # or the nodes are given up
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as kwok:
        try:
            kubectl("apply", "-f", "-", text="\n---\n".join(map(json.dumps, nodes)))
            kubectl("wait", "--for", "condition=Ready", "--timeout", "60s", *(f"node/{name}" for name in PAPER))
            yield
        finally:
            try:
                kubectl("delete", "node", *PAPER)
            finally:
                kwok.terminate()
