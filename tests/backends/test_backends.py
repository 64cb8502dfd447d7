"""Every backend passes the same suite, and so does a new one of fewer than 60 lines."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.backends import minimal
from tests.backends.minimal import MinimalBackend
from tests.backends.suite import QUICK, BackendSuite
from tests.helpers.docker_engine import require_engine

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.base import Backend, ClusterOptions, Run, RunOptions
from learnae.backends.compose import engine
from learnae.backends.compose.backend import ComposeBackend
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.plan import project
from learnae.backends.compose.render import FOLDER
from learnae.backends.embedded.backend import EmbeddedBackend
from learnae.backends.kubernetes.backend import KubernetesBackend
from learnae.backends.pods.plan import checkout_name
from learnae.backends.registry import BackendChoice, all_backends, choose
from learnae.backends.sim.backend import SimBackend, record
from learnae.backends.sim.simulation import Simulation
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.runtime.learning import MemoryLearning
from learnae.session.session_file import parse
from learnae.session.settings import Session


def numbers(session: Session, threads: int, salt: str) -> MemoryLearning:
    """Models that are numbers, so that torch is not needed."""
    return MemoryLearning(session)


class TestSim(BackendSuite):
    unsupported = RunOptions(keep=True)

    def backend(self, session: Session, options: RunOptions) -> Backend:
        return SimBackend(session, options, print, numbers)


class TestEmbedded(BackendSuite):
    def backend(self, session: Session, options: RunOptions) -> Backend:
        return EmbeddedBackend(session, options, print, numbers)


class TestMinimal(BackendSuite):
    def backend(self, session: Session, options: RunOptions) -> Backend:
        return MinimalBackend(session, options, print)


def test_a_simulation_that_is_recorded_holds_no_models(tmp_path: Path) -> None:
    session, directory = parse(QUICK), RunDirectory.create(tmp_path, "run")
    simulation = Simulation(session, MemoryLearning(session), [directory.observe])
    assert simulation.setup.swarm.blocks
    record(simulation, directory, 1)
    assert not simulation.setup.swarm.blocks


@pytest.mark.docker
class TestCompose(BackendSuite):
    unsupported = RunOptions(threads=2)
    settings: dict[str, Any] = QUICK | {
        "linger": 2.0,
        "max_duration": 600.0,
        "data": {"rows": 1000, "validation_rows": 300},
        "model": {"hidden": [16]},
        "pace": {"slice": 1.0, "attempt": 1.0},
        "chain": {},
        "network": {},
        "start": {"timeout": 60.0},
    }

    def backend(self, session: Session, options: RunOptions) -> Backend:
        require_engine()
        return ComposeBackend(session, options, print)

    def left_behind(self) -> object:
        return Containers(project(REPOSITORY), FOLDER).containers()


@pytest.mark.soak
@pytest.mark.kubernetes
class TestKubernetes(BackendSuite):
    """On the cluster of the current context, which must have the images of this checkout."""

    settings = TestCompose.settings
    unsupported = TestCompose.unsupported

    def backend(self, session: Session, options: RunOptions) -> Backend:
        return KubernetesBackend(session, options, print)

    def left_behind(self) -> object:
        from learnae.backends.kubernetes.cluster import Cluster

        return Cluster(ClusterOptions(), checkout_name(REPOSITORY)).left()


def test_a_backend_needs_fewer_than_60_lines() -> None:
    assert len(Path(minimal.__file__).read_text().splitlines()) < 60


def test_every_choice_is_a_backend_of_that_name() -> None:
    names = [kind(parse(QUICK), RunOptions(), print).name for kind in all_backends()]
    assert names == list(map(str, BackendChoice))


def test_the_default_is_the_first_backend_that_can_run_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "missing", lambda: "docker is not installed")
    backend, reason = choose(None, parse(QUICK), RunOptions(), print)
    assert (backend.name, reason) == ("embedded", "docker is not installed")


def test_containers_refuse_a_device_that_only_the_host_has() -> None:
    for device in ("cuda", "mps"):
        with pytest.raises(InputError, match="containers train on the processor: use auto or cpu, or --backend emb"):
            ComposeBackend(parse(QUICK | {"compute": {"device": device}}), RunOptions(), print).check()


def test_if_no_backend_can_run_the_session_the_reason_of_the_preferred_one_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "missing", lambda: "docker is not installed")
    with pytest.raises(InputError, match="docker is not installed"):
        choose(None, parse(QUICK), RunOptions(remote_peers=1), print)


GROUPS = [{"bridge": True}, {"count": 1, "sensor": True, "computes": False, "wants_payment": False}]
WITH_SENSORS = {"peers": 3, "privacy": False, "groups": GROUPS}


def test_a_cluster_refuses_sensors_in_one_sentence() -> None:
    with pytest.raises(InputError, match="the kubernetes backend has no sensors yet: use --backend compose"):
        KubernetesBackend(parse(WITH_SENSORS | {"feed": {"rows": 1000}}), RunOptions(), print).check()


KILL = {"faults": [{"kind": "feed-kill", "at": 1.0}]}


@pytest.mark.parametrize(
    ("url", "more", "options", "sentence"),
    [
        ("mqtt://127.0.0.1:1883", {}, RunOptions(), "feed.url = mqtt://127.0.0.1:1883 is this machine's loopback"),
        ("mqtt://192.0.2.1", KILL, RunOptions(), "feed-kill cannot kill the broker of feed.url: leave feed.url out"),
        ("mqtt://192.0.2.1", {}, RunOptions(remote_peers=1), "with sensors has its own chain and no remote peers"),
    ],
)
def test_containers_refuse_a_feed_that_they_cannot_reach_or_kill(
    url: str, more: dict[str, Any], options: RunOptions, sentence: str
) -> None:
    feed = {"kind": "mqtt", "rows": 1000, "url": url}
    with pytest.raises(InputError, match=sentence):
        ComposeBackend(parse(WITH_SENSORS | {"feed": feed} | more), options, print).check()


@pytest.mark.parametrize("backend", [EmbeddedBackend, ComposeBackend])
def test_a_broker_that_does_not_answer_is_named_before_anything_starts(
    backend: type[EmbeddedBackend | ComposeBackend], tmp_path: Path
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))  # and does not listen
        url = f"mqtt://127.0.0.1:{mute.getsockname()[1]}"
        feed = {"kind": "mqtt", "rows": 1000, "url": url}
        prepared = backend(parse(WITH_SENSORS | {"feed": feed}), RunOptions(), print)
        with pytest.raises(InputError, match=f"no MQTT broker answers at {url} .*: start it, or correct feed.url"):
            asyncio.run(prepared.prepare(Run(RunDirectory(tmp_path))))
