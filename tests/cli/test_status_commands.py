"""`learnae compose status` and `learnae kubernetes status`, for people and as JSON."""

import json
from pathlib import Path

import pytest
from tests.helpers.command_line import here

from learnae.backends.compose.containers import Container
from learnae.backends.kubernetes import cluster
from learnae.cli import compose


class Containers:
    def containers(self) -> list[Container]:
        return [Container("peer-p01", "running", "Up 3 s"), Container("peer-p00", "exited", "Exited (1)")]


class Cluster:
    def __init__(self, *_: object) -> None:
        pass

    def pods(self) -> list[cluster.PodState]:
        return [cluster.PodState("peers-0", "1", "peer", "10.0.0.1", frozenset({"peer", "ipfs"}), None, {"ipfs": 2})]


def test_containers_are_listed_with_their_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compose, "_containers", Containers)
    assert here(tmp_path, "compose", "status").stdout.split() == [
        *("peer-p00", "exited", "Exited", "(1)"),
        *("peer-p01", "running", "Up", "3", "s"),
        *("1", "of", "2", "containers", "are", "running."),
    ]
    first, second = json.loads(here(tmp_path, "compose", "status", "--json").stdout)
    assert first == {"service": "peer-p00", "state": "exited", "status": "Exited (1)"}
    assert second["service"] == "peer-p01"


def test_pods_are_listed_with_their_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "Cluster", Cluster)
    assert here(tmp_path, "kubernetes", "status").stdout.split() == ["peers-0", "ipfs", "peer"]
    (pod,) = json.loads(here(tmp_path, "kubernetes", "status", "--json").stdout)
    assert (pod["name"], pod["running"], pod["restarts"]) == ("peers-0", ["ipfs", "peer"], {"ipfs": 2})
    assert {"component", "address", "ended", "problem"} <= pod.keys()
