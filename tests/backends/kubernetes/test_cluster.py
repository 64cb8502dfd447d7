"""A namespace through the client library, with an API server in this process that keeps objects."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from learnae.backends.base import ClusterOptions, RunOptions
from learnae.backends.kubernetes.backend import KubernetesBackend
from learnae.backends.kubernetes.cluster import Cluster, PodState
from learnae.backends.kubernetes.doctor_findings import findings
from learnae.backends.kubernetes.installation import objects_of
from learnae.backends.kubernetes.manifests import manifests
from learnae.backends.kubernetes.nodes import Nodes
from learnae.backends.kubernetes.plan import ClusterPlan
from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import checkout_name
from learnae.checkout import REPOSITORY
from learnae.cli.kubernetes import down
from learnae.errors import InputError
from learnae.session.session_file import parse

PLAN = ClusterPlan("learnae-test", ("p00", "p01"), Images("learnae"), 0, 31337, 1)
LABELS = {"app.kubernetes.io/instance": "learnae-test", "app.kubernetes.io/component": "peer"}
OTHERS = {"app.kubernetes.io/instance": "learnae-other", "app.kubernetes.io/component": "peer"}


class Api(BaseHTTPRequestHandler):
    """Objects by collection.  ``allowed``: the answer to reviews of access.  ``refusal``: of every creation.

    ``fixed_nodes``: nodes cannot be changed.
    """

    objects: dict[str, list[dict[str, Any]]]
    removed: list[str]  # names of pods that were removed one by one
    allowed, refusal, fixed_nodes = True, "", False

    def do_GET(self) -> None:
        path, query = self._asked()
        if "watch" in query:
            self._answer(200, {})
        elif path == "/version/":
            self._answer(200, {"major": "1", "minor": "36", "gitVersion": "v1.36.3"})
        elif path == "/api/v1/namespaces/team":
            self._answer(200, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
        else:
            self._answer(200, {"items": self._chosen(path, query)})

    def do_POST(self) -> None:
        path, _ = self._asked()
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if path.endswith("selfsubjectaccessreviews"):
            self._answer(201, {"spec": {}, "status": {"allowed": self.allowed}})
        elif self.refusal:
            self._answer(403, {"message": self.refusal})
        else:
            self.objects.setdefault(path.rpartition("/")[2], []).append(content)
            self._answer(201, content)

    def do_DELETE(self) -> None:
        path, query = self._asked()
        if "/pods/" in path:
            self.removed.append(path.rpartition("/")[2])
            return self._answer(200, {})
        gone = self._chosen(path, query)
        collection = path.rpartition("/")[2]
        self.objects[collection] = [each for each in self.objects.get(collection, []) if each not in gone]
        self._answer(200, {})

    def do_PATCH(self) -> None:
        """A StatefulSet is scaled: that many pods are there at once.  Or a node is changed."""
        path, _ = self._asked()
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "/nodes/" in path and self.fixed_nodes:
            return self._answer(403, {"message": "no"})
        if "/nodes/" in path:
            [node] = [each for each in self.objects["nodes"] if each["metadata"]["name"] == path.rpartition("/")[2]]
            node["spec"], node["metadata"]["labels"] = content["spec"], content["metadata"]["labels"]
            return self._answer(200, node)
        name, replicas = path.split("/")[-2], content["spec"]
        pods = [each for each in self.objects.get("pods", []) if not each["metadata"]["name"].startswith(name)]
        new = [pod() for _ in range(replicas["replicas"])]
        for index, each in enumerate(new):
            each["metadata"] |= {"name": f"{name}-{index}"}
        self.objects["pods"] = pods + new
        self._answer(200, {})

    def log_message(self, *arguments: object) -> None:
        pass

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return parts.path, parse_qs(parts.query)

    def _chosen(self, path: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        key, _, value = query.get("labelSelector", ["="])[0].partition("=")
        listed = self.objects.get(path.rpartition("/")[2], [])
        return [each for each in listed if not key or each["metadata"].get("labels", {}).get(key) == value]

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    """An API server to which the current context leads."""

    class Mine(Api):
        objects: dict[str, list[dict[str, Any]]] = {}
        removed: list[str] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Mine) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
        yield Mine
        server.shutdown()
        serving.join()


def write_kubeconfig(path: Path, server: str) -> None:
    context = {"cluster": "c", "user": "u", "namespace": "team"}
    content = {
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "test", "context": context}],
    }
    path.write_text(yaml.safe_dump(content))


def pod(labels: dict[str, str] = LABELS, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "learnae-test-peers-0", "uid": "1", "labels": labels}, "status": status}


def container(
    name: str, state: dict[str, Any], last: dict[str, Any] | None = None, restarts: int = 0
) -> dict[str, Any]:
    common = {"name": name, "image": "x", "imageID": "x", "ready": True}
    return common | {"restartCount": restarts, "state": state, "lastState": last or {}}


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


RUNS: dict[str, Any] = {"running": {}}
CLUSTER = ClusterOptions()


def test_what_is_created_is_found_by_its_label_and_removed_and_nothing_else_is(api: type[Api]) -> None:
    cluster = Cluster(CLUSTER, "learnae-test")
    api.objects["pods"] = [pod(OTHERS)]
    assert cluster.remove() == 0
    cluster.create(manifests(PLAN))
    api.objects["pods"].append(pod())
    assert sorted(cluster.left())[0] == "networkpolicy learnae-test-chain" and len(cluster.left()) == 7
    assert cluster.remove() == 7
    assert cluster.left() == [] and api.objects["pods"] == [pod(OTHERS)]


def test_a_session_in_a_release_scales_its_sets_and_leaves_them(api: type[Api]) -> None:
    release = ClusterOptions(release="learnae-test")
    cluster = Cluster(release, "learnae-test")
    objects = objects_of(release, cluster, PLAN)
    with pytest.raises(InputError, match="the namespace team has no release learnae-test of the chart: helm install l"):
        objects.check()
    cluster.create(manifests(PLAN))
    objects.check()
    with pytest.raises(InputError, match="no link agents, which faults need: helm upgrade learnae-test CHART --reuse-"):
        objects_of(release, cluster, replace(PLAN, links=True)).check()
    with pytest.raises(InputError, match="has a chain of its own: helm upgrade .* --set externalChainPort=443"):
        objects_of(release, cluster, replace(PLAN, external_port=443)).check()
    installed = cluster.left()
    objects.start()
    assert [each.name for each in cluster.pods()] == [PLAN.chain_pod, *PLAN.pods.values()]
    api.objects["persistentvolumeclaims"] = [pod()]
    objects.remove()
    assert cluster.left() == installed


def node(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {}}


def test_a_drained_node_is_put_back_also_after_a_kill_and_others_stay_as_they_are(api: type[Api]) -> None:
    nodes, others = (Nodes(Cluster(CLUSTER, name)) for name in ("learnae-test", "learnae-other"))
    api.objects["nodes"] = [node("a"), node("b")]
    nodes.check()
    nodes.drain("a", [], 10)
    assert api.objects["nodes"][0]["spec"]["unschedulable"] is True
    nodes.check()  # a session that was killed has left it so
    with pytest.raises(InputError, match="node-drain needs a second node, .* and the cluster has 1 in serv"):
        others.check()
    others.restore_all()
    assert api.objects["nodes"][0]["spec"]["unschedulable"] is True
    nodes.restore_all()
    assert [each["spec"].get("unschedulable") for each in api.objects["nodes"]] == [None, None]


def test_a_node_that_an_administrator_took_out_of_service_stays_so_and_loses_only_the_pods(api: type[Api]) -> None:
    nodes = Nodes(Cluster(CLUSTER, "learnae-test"))
    api.objects["nodes"] = [node("a"), node("b"), node("c")]
    api.objects["nodes"][0]["spec"] = {"unschedulable": True}
    api.objects["pods"] = [pod()]
    nodes.drain("a", [pod()["metadata"]["name"]], 10)
    assert api.removed == [pod()["metadata"]["name"]]
    nodes.restore("a")
    nodes.restore_all()
    assert api.objects["nodes"][0] == {"metadata": {"name": "a"}, "spec": {"unschedulable": True}}


@pytest.mark.parametrize("release", [None, "shared"])
def test_down_puts_back_nodes_also_of_a_release_whose_sets_stay(
    api: type[Api], release: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = release or checkout_name(REPOSITORY)
    options, cluster = ClusterOptions(release=release), Cluster(CLUSTER, instance)
    plan = replace(PLAN, instance=instance)
    cluster.create(manifests(plan))
    installed = cluster.left()
    objects_of(options, cluster, plan).check()
    api.objects["nodes"] = [node("a"), node("b")]
    Nodes(cluster).drain("a", [], 10)
    api.objects["persistentvolumeclaims"] = [pod(LABELS | {"app.kubernetes.io/instance": instance})]
    assert down(release=release) == 0
    assert api.objects["nodes"][0]["spec"] == {"unschedulable": None}
    assert cluster.left() == (installed if release else [])
    assert "Removed" in capsys.readouterr().out


def test_a_node_that_cannot_be_put_back_is_said_although_the_rest_is_removed(api: type[Api]) -> None:
    cluster = Cluster(CLUSTER, checkout_name(REPOSITORY))
    cluster.create(manifests(replace(PLAN, instance=cluster.instance)))
    api.objects["nodes"] = [node("a"), node("b")]
    Nodes(cluster).drain("a", [], 10)
    api.fixed_nodes = True
    with pytest.raises(InputError, match="the cluster does not change a node"):
        down()
    assert cluster.left() == []


def test_who_may_not_list_nodes_has_drained_none(api: type[Api]) -> None:
    api.allowed = False
    api.objects["nodes"] = [node("a")]
    api.objects["nodes"][0]["metadata"]["labels"] = {"learnae-drained-by": checkout_name(REPOSITORY)}
    api.fixed_nodes = True
    assert down() == 0


def test_the_next_session_puts_back_what_a_killed_one_drained_although_it_has_no_such_fault(api: type[Api]) -> None:
    backend = KubernetesBackend(parse({}), RunOptions(), print)
    backend.check()
    api.objects["nodes"] = [node("a"), node("b")]
    Nodes(Cluster(CLUSTER, checkout_name(REPOSITORY))).drain("a", [], 10)
    backend._remove()
    assert api.objects["nodes"][0]["spec"] == {"unschedulable": None}


def test_a_drain_is_refused_where_there_is_one_node_only(api: type[Api]) -> None:
    api.objects["nodes"] = [node("a")]
    session = parse({"faults": [{"kind": "node-drain", "at": 1.0}]})
    with pytest.raises(InputError, match="node-drain needs a second node"):
        KubernetesBackend(session, RunOptions(), print).check()


def test_what_a_release_decides_is_no_option_of_a_session(api: type[Api]) -> None:
    for options, sentence in (
        (
            ClusterOptions(release="x", images="y"),
            "--images: the release x decides it: helm upgrade x CHART --reuse-val",
        ),
        (ClusterOptions(release="x", storage_class="y"), "--storage-class: .* --set storageClass=NAME"),
    ):
        with pytest.raises(InputError, match=sentence):
            KubernetesBackend(parse({}), RunOptions(cluster=options), print).check()


def test_the_state_of_a_pod_is_read_from_its_containers(api: type[Api]) -> None:
    api.objects["pods"] = [
        pod(
            podIP="10.0.0.7",
            initContainerStatuses=[container("files", RUNS), container("ipfs", RUNS, ended(1), 2)],
            containerStatuses=[container("peer", RUNS, ended(3), 1)],
        )
    ]
    [state] = Cluster(CLUSTER, "learnae-test").pods()
    running = frozenset({"files", "ipfs", "peer"})
    assert state == PodState("learnae-test-peers-0", "1", "peer", "10.0.0.7", running, 3, {"files": 0, "ipfs": 2})


@pytest.mark.parametrize(("code", "result"), [(0, 0), (130, 130), (143, 143), (137, None), (139, None)])
def test_a_peer_that_was_killed_has_not_ended(api: type[Api], code: int, result: int | None) -> None:
    api.objects["pods"] = [pod(containerStatuses=[container("peer", ended(code))])]
    assert Cluster(CLUSTER, "learnae-test").pods()[0].ended == result


def test_why_a_pod_does_not_start_is_said(api: type[Api]) -> None:
    waiting = container("peer", {"waiting": {"reason": "ImagePullBackOff"}})
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    api.objects["pods"] = [
        pod(containerStatuses=[waiting]),
        pod(conditions=[unscheduled]),
        pod(containerStatuses=[container("peer", {"waiting": {"reason": "PodInitializing"}})]),
    ]
    problems = [state.problem for state in Cluster(CLUSTER, "learnae-test").pods()]
    assert problems == ["peer does not start: ImagePullBackOff", "it is not scheduled: 0/1 nodes are available", ""]


def test_every_refusal_is_one_sentence(api: type[Api], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(CLUSTER, "learnae-test")
    api.refusal = "exceeded quota:\n pods=1"
    with pytest.raises(InputError, match=r"refuses Service learnae-test-chain \(exceeded quota: pods=1\): see"):
        cluster.create(manifests(PLAN))
    with pytest.raises(InputError, match="the kubeconfig has no context other: give one of test"):
        Cluster(ClusterOptions(context="other"), "x")
    write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    with pytest.raises(InputError, match=r"the cluster cannot be reached \(\w+\): check the context"):
        Cluster(CLUSTER, "x").pods()
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(InputError, match="there is no usable kubeconfig"):
        Cluster(CLUSTER, "x")
    [finding] = findings(None)
    assert finding.ok and "BACKEND=kubernetes is not available" in finding.what


def test_doctor_says_what_the_namespace_allows(api: type[Api]) -> None:
    api.objects["resourcequotas"] = [
        {"metadata": {"name": "compute"}, "status": {"hard": {"pods": "10"}, "used": {"pods": "3"}}}
    ]
    said = [f"{finding.ok} {finding.what}: {finding.fix}" for finding in findings(None)]
    assert said[0].startswith("True Kubernetes v1.36.3, context test, namespace team")
    assert said[1].startswith(
        "True Pod Security (restricted) allows sessions without faults: for faults: kubectl label"
    )
    assert said[2].startswith("False default StorageClass: none: give one with --storage-class")
    assert said[3] == "True quota compute: pods 3 of 10: "
    api.allowed = False
    assert not next(iter(findings(None))).ok


def test_without_the_needed_rights_a_session_is_refused(api: type[Api]) -> None:
    KubernetesBackend(parse({}), RunOptions(), print).check()
    api.allowed = False
    with pytest.raises(InputError, match="you may not create statefulsets, .* in the namespace team: ask for a role"):
        KubernetesBackend(parse({}), RunOptions(), print).check()
