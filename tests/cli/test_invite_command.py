"""`learnae invite` where no swarm is up; tests/stack has those with one."""

from pathlib import Path

import pytest

from learnae.backends.compose import render
from learnae.backends.kubernetes import backend
from learnae.backends.remote_peers.host import JOIN_FILES
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
