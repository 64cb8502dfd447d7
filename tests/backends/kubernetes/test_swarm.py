"""The host's side of a swarm on Kubernetes: files, gates, endings and faults, with a cluster in this process.

A pod is its sidecar for files; the states of its containers follow from the gates, as on a node.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from learnae.backends.kubernetes import swarm as swarms
from learnae.backends.kubernetes.cluster import Cluster, PodState
from learnae.backends.kubernetes.lifecycle import DeletedPods
from learnae.backends.kubernetes.plan import ClusterPlan
from learnae.backends.kubernetes.swarm import Swarm
from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import RemotePeerOptions
from learnae.errors import InputError
from learnae.pod_files.server import BEGUN, FilesServer
from learnae.session.faults import CHAIN, Component, Fault, FaultKind, Part

PLAN = ClusterPlan("learnae-test", ("p00", "p01"), Images("learnae"), 0, 31337, 1)
PODS = ("learnae-test-chain-0", "learnae-test-peers-0", "learnae-test-peers-1")
ROWS = bytes(range(256)) * 5000  # more than one request takes
P00 = Component(Part.PEER, "p00")


class FakePod:
    """``codes``: exit code of its peer.  ``problem``: why it does not start."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.problem, self.uid = name, "", ""
        self.node = "b" if name.endswith("1") else "a"
        self.volume, self.gates = folder / name / "volume", folder / name / "gates"
        for part in (self.volume, self.gates):
            part.mkdir(parents=True)
        self.last = "peer" if "peers" in name else "pod"
        self.server = FilesServer(self.volume, self.gates, self.last)

    def state(self) -> PodState:
        is_peer, main = self.last == "peer", "peer" if self.last == "peer" else "chain"
        open_gates = {path.name for path in self.gates.iterdir()}
        now = "wait-pod" if "pod" not in open_gates else "wait-peer" if {self.last} - open_gates else main
        code = self.volume / "journal" / "ended"
        ended = int(code.read_text()) if is_peer and code.exists() else None
        return PodState(
            self.name,
            self.uid,
            main,
            "10.0.0.1",
            frozenset({"files", now}),
            ended,
            {"ipfs": 0},
            self.problem,
            self.node,
        )


class FakeCluster:
    """``deleted``: pods and how long they had to stop."""

    def __init__(self, folder: Path, pods: Iterable[str]) -> None:
        self._uids = map(str, count())
        self.made = {name: FakePod(folder, name) for name in pods}
        self.deleted: list[tuple[str, int]] = []
        self.executed: list[tuple[str, str, Sequence[str]]] = []
        self.instance, self.patched = "learnae-test", list[tuple[str, Any]]()
        self.labels = dict[str, list[str]]()  # KEY=VALUE, of nodes that were patched
        for pod in self.made.values():
            pod.uid = next(self._uids)

    def pods(self) -> list[PodState]:
        return [pod.state() for pod in self.made.values()]

    def execute(self, pod: str, container: str, command: Sequence[str]) -> None:
        self.executed.append((pod, container, command))

    def nodes(self, label_selector: str = "") -> list[Any]:
        """Those that are drained."""
        drained = [name for name, labels in self.labels.items() if label_selector in labels]
        return [SimpleNamespace(metadata=SimpleNamespace(name=name)) for name in drained]

    def patch_node(self, name: str, body: Any) -> None:
        self.labels[name] = [f"{key}={value}" for key, value in body["metadata"]["labels"].items()]
        self.patched.append((name, body["spec"]["unschedulable"]))

    def delete_pod(self, name: str, grace: int) -> None:
        """The pod returns with its volume and closed gates."""
        self.deleted.append((name, grace))
        for gate in self.made[name].gates.iterdir():
            gate.unlink()
        self.made[name].uid = next(self._uids)


class FakeForwards:
    def __init__(self, cluster: FakeCluster, ports: Iterable[tuple[str, int]], host: str) -> None:
        self._cluster, self._urls, self._opened = cluster, dict[str, str](), AsyncExitStack()
        self.ports, self.host = list(ports), host
        self._pods = {pod for pod, _ in self.ports}

    async def __aenter__(self) -> None:
        for name, pod in self._cluster.made.items():
            if name not in self._pods:
                continue
            server = await self._opened.enter_async_context(await pod.server.listen("127.0.0.1", 0))
            self._urls[name] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *raised: object) -> None:
        await self._opened.aclose()

    def url(self, pod: str, port: int) -> str:
        return self._urls[pod]


def tended(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    test: Callable[[Swarm, FakeCluster], Awaitable[None]],
    plan: ClusterPlan = PLAN,
) -> list[str]:
    """What was printed."""
    monkeypatch.setattr(swarms, "Forwards", FakeForwards)
    monkeypatch.setattr(swarms, "LOOK", 0.02)
    files = folder / "files"
    for name in PLAN.names:
        for part in ("link", "ipfs", "peer/initial"):
            (files / "pods" / name / part).mkdir(parents=True)
        (files / "pods" / name / "peer" / "rows.npz").write_bytes(ROWS)
        (files / "pods" / name / "peer" / "initial" / "a.bin").write_bytes(name.encode())
        (files / "journals" / name).mkdir(parents=True)
    (files / "chain").mkdir()
    (files / "chain" / "state.json").write_text("{}")
    cluster, said = FakeCluster(folder / "cluster", [*plan.chain_pods, *plan.pods.values()]), list[str]()

    async def run() -> None:
        async with asyncio.timeout(60), Swarm(cast(Cluster, cluster), plan, files, said.append) as swarm:
            tending = asyncio.create_task(swarm.tend())
            await test(swarm, cluster)
            tending.cancel()

    asyncio.run(run())
    return said


async def until(swarm: Swarm, true: Callable[[], bool]) -> None:
    while not true():
        await swarm._changed.wait()


@pytest.mark.parametrize("publish", [None, "192.0.2.7"])
def test_only_ipfs_nodes_and_the_chains_filter_are_published_and_only_while_remote_peers_take_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, publish: str | None
) -> None:
    plan = replace(PLAN, remote=RemotePeerOptions(1, publish))

    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        outside = cast(FakeForwards, swarm.outside)
        assert set(outside.ports) == {(PODS[1], 4001), (PODS[0], 8545)} and outside.host == (publish or "127.0.0.1")
        assert not outside._urls, "it is not open yet"

    tended(tmp_path, monkeypatch, test, plan)


def test_a_swarm_without_remote_peers_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        assert cast(FakeForwards, swarm.outside).ports == []

    tended(tmp_path, monkeypatch, test)


def test_each_pod_gets_its_own_files_and_waits_until_its_peer_is_admitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        await swarm.waiting()
        for pod, name in ((PODS[1], "p00"), (PODS[2], "p01")):
            volume = cluster.made[pod].volume
            assert (volume / "peer" / "rows.npz").read_bytes() == ROWS
            assert (volume / "peer" / "initial" / "a.bin").read_text() == name
            assert (volume / "peer" / "name").read_text() == f"{name}\n" and not (volume / BEGUN).exists()
        assert (cluster.made[PODS[0]].volume / "chain" / "state.json").read_text() == "{}"
        await swarm.begin(b"roster", ["p00"])
        await until(swarm, lambda: swarm.runs("p00"))
        assert (cluster.made[PODS[2]].volume / "peer" / "roster.json").read_bytes() == b"roster"
        assert not swarm.runs("p01")
        swarm.admit(["p01"])
        await until(swarm, lambda: swarm.runs("p01"))

    assert tended(tmp_path, monkeypatch, test) == []


def test_on_an_external_chain_no_pod_of_a_chain_is_awaited_and_the_first_pod_tries_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        await swarm.waiting()
        await swarm.begin(b"roster", PLAN.names)
        await until(swarm, lambda: swarm.runs("p01"))
        await swarm.execute("python3", "-c", "")
        assert cluster.executed == [(PODS[1], "files", ("python3", "-c", ""))]

    assert tended(tmp_path, monkeypatch, test, replace(PLAN, external_port=443)) == []


def test_a_peer_has_ended_when_its_code_is_seen_and_its_journal_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        await swarm.waiting()
        await swarm.begin(b"roster", PLAN.names)
        for number, pod in enumerate(PODS[1:]):
            journal = cluster.made[pod].volume / "journal"
            journal.mkdir()
            (journal / f"p0{number}.sqlite").write_bytes(ROWS)
            (journal / "ended").write_text(str(number))
        assert await swarm.ended(PLAN.names) == {"p00": 0, "p01": 1}
        await swarm.fetch_journals()
        assert (tmp_path / "files" / "journals" / "p01" / "p01.sqlite").read_bytes() == ROWS

    tended(tmp_path, monkeypatch, test)
    assert not list(tmp_path.glob("files/journals/*/*-wal"))


@pytest.mark.parametrize(("kind", "grace"), [(FaultKind.KILL, 0), (FaultKind.STOP, 10)])
def test_a_fault_deletes_the_pod_of_a_peer_which_returns_only_when_the_fault_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: FaultKind, grace: int
) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        lifecycle, fault = DeletedPods(swarm), Fault(kind, 0.0, 5.0)
        await swarm.waiting()
        assert not await lifecycle.interrupt(P00, fault)  # it does not run yet
        await swarm.begin(b"roster", PLAN.names)
        await until(swarm, lambda: swarm.runs("p00"))
        assert await lifecycle.interrupt(P00, fault) and cluster.deleted == [(PODS[1], grace)]
        await until(swarm, lambda: PODS[1] in swarm.states and "wait-peer" in swarm.states[PODS[1]].running)
        assert await lifecycle.interrupted(P00, fault)
        await lifecycle.restore(P00, fault)
        await until(swarm, lambda: swarm.runs("p00"))

    tended(tmp_path, monkeypatch, test)


def test_a_drained_node_loses_all_its_pods_and_only_the_target_waits_until_the_fault_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarms, "STUCK", 0.0)

    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        lifecycle, fault = DeletedPods(swarm), Fault(FaultKind.NODE_DRAIN, 0.0, 5.0)
        await swarm.waiting()
        await swarm.begin(b"roster", PLAN.names)
        await until(swarm, lambda: swarm.runs("p00") and swarm.runs("p01"))
        cluster.made[PODS[0]].problem = "it is not scheduled: 1 node is unschedulable"  # its volume is there
        assert await lifecycle.interrupt(P00, fault)
        assert cluster.deleted == [(PODS[0], 10), (PODS[1], 10)] and cluster.patched == [("a", True)]
        await until(swarm, lambda: PODS[1] in swarm.states and "wait-peer" in swarm.states[PODS[1]].running)
        assert await lifecycle.interrupted(P00, fault) and swarm.runs("p01")
        cluster.made[PODS[0]].problem = ""
        await lifecycle.restore(P00, fault)
        assert cluster.patched == [("a", True), ("a", None)]
        await until(swarm, lambda: swarm.runs("p00") and "chain" in swarm.states[PODS[0]].running)

    tended(tmp_path, monkeypatch, test)


def test_a_node_returns_when_the_last_fault_that_drained_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        lifecycle, fault = DeletedPods(swarm), Fault(FaultKind.NODE_DRAIN, 0.0, 5.0)
        cluster.made[PODS[2]].node = "a"
        p01 = Component(Part.PEER, "p01")
        await swarm.waiting()
        await swarm.begin(b"roster", PLAN.names)
        await until(swarm, lambda: swarm.runs("p00") and swarm.runs("p01"))
        assert await lifecycle.interrupt(P00, fault)
        await until(swarm, lambda: swarm.runs("p01"))
        assert await lifecycle.interrupt(p01, fault)
        await lifecycle.restore(P00, fault)
        assert cluster.patched == [("a", True), ("a", True)]
        await lifecycle.restore(p01, fault)
        assert cluster.patched[2:] == [("a", None)]

    tended(tmp_path, monkeypatch, test)


def test_a_stopped_chain_keeps_its_state_and_returns_when_the_fault_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        lifecycle, fault = DeletedPods(swarm), Fault(FaultKind.CHAIN_STOP, 0.0, 5.0)
        await swarm.waiting()
        state = cluster.made[PODS[0]].volume / "chain" / "state.json"
        state.write_text("newer")
        assert await lifecycle.interrupt(CHAIN, fault)
        await until(swarm, lambda: PODS[0] in swarm.states)
        assert await lifecycle.interrupted(CHAIN, fault)
        await lifecycle.restore(CHAIN, fault)
        await until(swarm, lambda: "chain" in swarm.states[PODS[0]].running)
        assert state.read_text() == "newer"

    tended(tmp_path, monkeypatch, test)


def test_a_pod_that_cannot_run_ends_the_session_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swarms, "STUCK", 0.0)

    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        cluster.made[PODS[1]].problem = "peer does not start: ImagePullBackOff"
        with pytest.raises(InputError, match="the pod learnae-test-peers-0 cannot run .*ImagePullBackOff"):
            await swarm.tend()

    tended(tmp_path, monkeypatch, test)


def test_the_peers_that_are_not_ready_in_time_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarms, "STARTUP", 0.05)

    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        swarm.hold.update(PODS)
        with pytest.raises(InputError, match="3 pods are not ready"):
            await swarm.waiting()

    tended(tmp_path, monkeypatch, test)


def test_an_unreachable_cluster_is_forgiven_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(swarm: Swarm, cluster: FakeCluster) -> None:
        def fail() -> list[PodState]:
            raise InputError("the cluster cannot be reached")

        working: Any = cluster.pods
        cluster.pods = fail  # type: ignore[method-assign]
        await asyncio.to_thread(lambda: None)
        cluster.pods = working  # type: ignore[method-assign]
        await swarm.waiting()
        monkeypatch.setattr(swarms, "AWAY", 0.0)
        cluster.pods = fail  # type: ignore[method-assign]
        with pytest.raises(InputError, match="cannot be reached"):
            await swarm.tend()

    tended(tmp_path, monkeypatch, test)
