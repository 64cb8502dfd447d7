"""Sessions on a real Kubernetes of two nodes, which `make test-kubernetes` builds and starts."""

import copy
import json
import os
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
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
    assert [record.peer for record in history.of(PeerRestarted)] == ["p01"]
    assert all(after > 0 for _, after in crossings(history))
    assert here(tmp_path, "audit", str(run)).returncode == 0 and not left()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_after_ctrl_c_nor_after_a_kill_and_make_down(tmp_path: Path, how: signal.Signals) -> None:
    file = session(tmp_path)
    command = [sys.executable, "-m", "learnae", "swarm", str(file), "--backend", "kubernetes"]
    command += ["--out", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout and any("pods are ready" in line for line in running.stdout)
        with suppress(ProcessLookupError):
            os.killpg(running.pid, how)
        output = running.communicate()[0]
    if how is signal.SIGKILL:
        assert left()
        assert here(tmp_path, "kubernetes", "down").returncode == 0
    else:
        assert running.returncode == 130 and "Removed the" in output
    assert not left()


TINY = """
peers = 3
data = { rows = 40, validation_rows = 20, test_rows = 20 }
model = { hidden = [4] }
work = { slices = 2 }
"""
SETTINGS = ["--set", "work.patience=1,2", "--set", "model.learning_rate=0.1,0.2", "--seeds", "4"]
COMPARE = """
learnae sweep {0} --out /shared/parts --collect && learnae sweep {0} --out /shared/whole &&
cmp /shared/parts/sweep.csv /shared/whole/sweep.csv && [ "$(wc -l </shared/whole/sweep.csv)" = 17 ]
"""


def test_a_sweep_by_four_pods_of_an_indexed_job_equals_that_of_one_process(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    arguments = ["sweep", "tiny.toml", *SETTINGS, "--out", "parts", "--shard", "4", "--render", "kubernetes"]
    config, job = yaml.safe_load_all(here(tmp_path, *arguments).stdout)
    compare = copy.deepcopy(job)
    compare["metadata"]["name"] = "compare"
    compare["spec"] |= {"completions": 1, "parallelism": 1, "backoffLimit": 0}
    pod = compare["spec"]["template"]["spec"]
    pod["restartPolicy"] = "Never"
    pod["containers"][0]["command"][2] = COMPARE.format(shlex.join(["/session/session.toml", *SETTINGS]))
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volume = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "learnae-sweep"}, "spec": claim}
    with applied([volume, config, job]) as done:
        done("parts")
        with applied([compare]) as done:
            done("compare")


def kubectl(*arguments: str, text: str = "") -> str:
    command = [str(REPOSITORY / ".tools" / "kubernetes" / "kubectl"), *arguments]
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True, timeout=300).stdout


@contextmanager
def applied(objects: list[dict[str, Any]]) -> Iterator[Callable[[str], None]]:
    """The objects are in the cluster; the function that it gives waits until a Job has succeeded."""
    file = "\n---\n".join(map(json.dumps, objects))

    def done(name: str) -> None:
        jsonpath = "jsonpath={.status.conditions[*].type}"
        kubectl("wait", f"job/{name}", "--for", "jsonpath={.status.conditions[0].type}", "--timeout", "240s")
        assert "Complete" in kubectl("get", f"job/{name}", "-o", jsonpath), kubectl("logs", f"job/{name}")

    kubectl("apply", "-f", "-", text=file)
    try:
        yield done
    finally:
        kubectl("delete", "--ignore-not-found", "-f", "-", text=file)
