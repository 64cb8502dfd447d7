"""Sessions on a real Kubernetes of one node, which `make test-kubernetes` builds and starts."""

import os
import signal
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import here

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks.faults import crossings
from learnae.backends.base import ClusterOptions
from learnae.backends.kubernetes.cluster import Cluster
from learnae.backends.pods.plan import checkout_name
from learnae.checkout import REPOSITORY
from learnae.records.history import Effect, FaultEnded, PeerRestarted
from learnae.session.session_file import parse, to_toml

pytestmark = [pytest.mark.soak, pytest.mark.kubernetes]

FOUR = tomllib.loads("""
peers = 4
linger = 4.0
max_duration = 200.0
[data]
rows = 1000
validation_rows = 300
[model]
hidden = [16]
[work]
slices = 6
patience = 6
idle_after = 4.0
[pace]
slice = 2.0
attempt = 1.0
[network]
announce_every = 3.0
[start]
timeout = 60.0
[expect]
recovery = 60.0
""")


def left() -> list[str]:
    return Cluster(ClusterOptions(), checkout_name(REPOSITORY)).left()


def session(folder: Path, **changes: Any) -> Path:
    path = folder / "session.toml"
    path.write_text(to_toml(parse(FOUR | changes)))
    return path


def test_four_peers_reach_a_valid_verdict_that_an_audit_confirms(tmp_path: Path) -> None:
    file, run = session(tmp_path), tmp_path / "run"
    done = here(tmp_path, "swarm", str(file), "--backend", "kubernetes", "--out", str(run))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 4 pods are ready" in done.stdout and not left()
    assert here(tmp_path, "audit", str(run)).returncode == 0


def test_a_cut_a_kill_and_a_stopped_chain_are_survived_and_healed(tmp_path: Path) -> None:
    faults = [
        {"kind": "cut", "at": 2.0, "duration": 6.0, "targets": ["p00"]},
        {"kind": "kill", "at": 12.0, "duration": 5.0, "targets": ["p01"]},
        {"kind": "chain-stop", "at": 22.0, "duration": 5.0},
    ]
    file, run = session(tmp_path, faults=faults, work=FOUR["work"] | {"slices": 20}), tmp_path / "run"
    done = here(tmp_path, "swarm", str(file), "--backend", "kubernetes", "--out", str(run))
    assert done.returncode == 0, done.stdout + done.stderr
    history = RunDirectory(run).read()
    ended = history.of(FaultEnded)
    assert [record.fact.effect for record in ended] == [Effect.APPLIED] * 3  # type: ignore[union-attr]
    assert [record.peer for record in history.of(PeerRestarted)] == ["p01"] and not list(crossings(history))
    assert here(tmp_path, "audit", str(run)).returncode == 0 and not left()


def test_after_a_kill_make_down_removes_everything(tmp_path: Path) -> None:
    file = session(tmp_path)
    command = [
        sys.executable,
        "-m",
        "learnae",
        "swarm",
        str(file),
        "--backend",
        "kubernetes",
        "--out",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout and any("pods are ready" in line for line in running.stdout)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert left()
    done = here(tmp_path, "kubernetes", "down")
    assert done.returncode == 0 and not left()
