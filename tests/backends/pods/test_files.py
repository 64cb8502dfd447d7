"""The files of a swarm of pods, as far as the tests of its backends do not cover them."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from learnae.backends.base import Backend, RunOptions, Say
from learnae.backends.compose.backend import ComposeBackend
from learnae.backends.compose.plan import Plan
from learnae.backends.kubernetes.backend import KubernetesBackend
from learnae.backends.pods.files import model_size, owner, write_swarm
from learnae.backends.pods.plan import RemotePeerOptions
from learnae.errors import InputError
from learnae.session.roster import names
from learnae.session.session_file import parse
from learnae.session.settings import Session


def test_a_model_that_is_too_large_for_a_pod_is_refused(tmp_path: Path) -> None:
    data = {"rows": 100, "validation_rows": 100, "test_rows": 100}
    session = parse({"peers": 2, "data": data, "model": {"hidden": [1500, 1500]}})
    plan = Plan("test", IPv4Network("10.200.1.0/24"), 20_000, owner(), 0, 31337, 1, tuple(names(session.peers)))
    plan = replace(plan, remote=RemotePeerOptions(1))
    refused = r"a model of 9,\d+,\d+ bytes or more is too large for these pods, which take 8,388,608: use fewer units"
    with pytest.raises(InputError, match=refused):
        write_swarm(session, plan, tmp_path / "swarm")


@pytest.mark.parametrize(
    ("kind", "remote_peers", "units", "limit"),
    [
        (ComposeBackend, 0, 4100, "which take 67,108,864: use fewer units, or --backend embedded"),
        (ComposeBackend, 1, 1500, "which take 8,388,608: .*; containers without remote peers take 67,108,864"),
        (KubernetesBackend, 0, 1500, "which take 8,388,608: .*; containers without remote peers take 67,108,864"),
    ],
)
def test_a_model_that_is_certainly_too_large_is_refused_before_anything_is_built(
    kind: Callable[[Session, RunOptions, Say], Backend], remote_peers: int, units: int, limit: str
) -> None:
    session = parse({"peers": 2, "model": {"hidden": [units, units]}})
    size = f"a model of {4 * units * units:,} bytes or more is too large for these pods, "
    with pytest.raises(InputError, match=size + limit):
        kind(session, RunOptions(remote_peers=remote_peers), print).check()


def test_the_size_of_a_model_is_known_where_the_first_member_is_a_sensor(tmp_path: Path) -> None:
    network = IPv4Network("10.200.1.0/24")
    plan = Plan("test", network, 20_000, owner(), 0, 31337, 1, tuple(names(3)), sensors=("p00",))
    file = tmp_path / "pods" / "p01" / "peer" / "initial" / "p00.safetensors"
    assert model_size(plan, tmp_path) == 0
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(9))
    assert model_size(plan, tmp_path) == 9
