"""`learnae invite` and join files that are left of swarms that were killed; tests/stack has those of living ones."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from learnae.backends.compose import render
from learnae.backends.compose.containers import Containers
from learnae.backends.kubernetes import backend, cluster, nodes
from learnae.backends.pods.plan import JOIN_FILES
from learnae.cli import kubernetes
from learnae.cli.invite import invite
from learnae.errors import InputError


def test_a_remote_peer_that_two_swarms_have_is_not_chosen_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((render, "swarm"), (backend, "kubernetes")):
        monkeypatch.setattr(module, "FOLDER", tmp_path / name)
        (tmp_path / name / JOIN_FILES).mkdir(parents=True)
        (tmp_path / name / JOIN_FILES / "p02.json").touch()
    for chosen in ("p02", None):
        with pytest.raises(
            InputError, match="two swarms have a remote peer p02: use .*kubernetes.* or .*swarm.*"
        ) as said:
            invite(chosen, tmp_path / "out.json")
        assert len(str(said.value).splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


def test_down_removes_the_join_files_of_a_killed_swarm_in_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Containers, "_remove", lambda self: 0)
    (tmp_path / "swarm" / JOIN_FILES).mkdir(parents=True)
    Containers("test", tmp_path / "swarm").down()
    assert list((tmp_path / "swarm").iterdir()) == []


def test_down_removes_the_join_files_of_a_killed_swarm_on_kubernetes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "FOLDER", tmp_path)
    monkeypatch.setattr(cluster, "Cluster", lambda *given: SimpleNamespace(remove=lambda: 0))
    monkeypatch.setattr(nodes, "Nodes", lambda *given: SimpleNamespace(restore_all=lambda: None))
    (tmp_path / JOIN_FILES).mkdir()
    kubernetes.down()
    assert list(tmp_path.iterdir()) == []
