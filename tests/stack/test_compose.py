"""A session on containers: real Kubo nodes, Anvil and Docker, from nothing to a valid verdict and nothing left."""

import json
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.helpers.command_line import ALL_PASSED, here, learnae
from tests.helpers.waiting import until
from tests.stack.compose_swarm import (
    PROJECT,
    ComposeSwarm,
    asked,
    containers,
    inside,
    kill_programs,
    left,
    pod,
    rpc,
    token_of,
    told,
)

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.fault_impact import fault_impact
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.render import FOLDER
from learnae.errors import Reason
from learnae.protocol.decisions import AttemptFailed, Averaged, DebtState, Trained
from learnae.records.history import PeerRestarted

pytestmark = pytest.mark.docker

PACED = """
name = "pods"
peers = 4
max_duration = 600.0
[data]
rows = 1000
validation_rows = 300
[model]
hidden = [16]
[work]
slices = 5
patience = 4
idle_after = 2.0
[pace]
slice = 2.0
attempt = 1.0
[start]
timeout = 60.0
"""
LATE = 15.0  # s
PEERS = ("p00", "p01", "p02", "p03")
MIXED = f"""
[[groups]]
count = 1
[[groups]]
count = 1
joins_at = {LATE}
[[groups]]
count = 1
has_rows = false
[[groups]]
policy = "copycat"
"""


def session_in(folder: Path, more: str = "", linger: float = 120.0) -> Path:
    path = folder / "session.toml"
    path.write_text(f"linger = {linger}\n{PACED}{more}")
    return path


def test_a_killed_session_is_cleared_away_without_a_trace(tmp_path: Path) -> None:
    swarm = ComposeSwarm(session_in(tmp_path), tmp_path / "run")
    swarm.when("of 4 registered")  # none yet: containers are still coming up
    until(lambda: containers() != "")
    swarm.process.kill()
    assert swarm.end() == -signal.SIGKILL
    down = here(tmp_path, "compose", "down")
    assert down.returncode == 0 and "Removed" in down.stdout
    assert left() == ""
    assert "nothing to remove" in here(tmp_path, "compose", "down").stdout


@pytest.fixture(scope="module")
def swarm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeSwarm]:
    """A trainer, another that joins late, a profiteer and a copycat: all registered, and paused until the last test."""
    folder = tmp_path_factory.mktemp("swarm")
    swarm = ComposeSwarm(session_in(folder, MIXED), folder / "run")
    try:
        swarm.when("4 of 4 registered")
        told("pause", *PEERS)
        yield swarm
    finally:
        swarm.process.send_signal(signal.SIGINT)
        swarm.end()
        here(folder, "compose", "down")


def subnet() -> str:
    return pod("p00").rpartition(".")[0]


KILL_ANVIL = 'for each in /proc/[0-9]*; do [ "$(<$each/comm)" != anvil ] || kill -9 ${each#/proc/}; done'


def test_what_is_killed_in_its_container_comes_back(swarm: ComposeSwarm) -> None:
    """The rest of the session shows that all of it is well."""
    docker("exec", f"{PROJECT}-chain-1", "bash", "-c", KILL_ANVIL)
    kill_programs("peer-p03", "learnae")
    kill_programs("link-p00", "learnae.link_agent")
    kill_programs("rpc", "learnae.rpc_filter")
    link = f"http://{pod('p00')}:7000/v1/state"
    until(lambda: asked("link-p00", link, token_of("p00")) == "200")
    swarm.when("chain ended unexpectedly and was restarted")
    until(lambda: asked("link-p00", f"http://{pod('p03')}:8000/v1/status") == "200")
    until(lambda: asked("link-p00", f"http://{subnet()}.2:8545/healthz") == "200")
    told("pause", "p03")


def test_a_pod_cannot_command_another_nor_its_link(swarm: ComposeSwarm) -> None:
    own, other = token_of("p00"), token_of("p01")
    assert own != other
    stop, link = f"http://{pod('p01')}:8000/v1/stop", f"http://{pod('p01')}:7000/v1/state"
    assert asked("link-p00", stop, method="POST") == "401"
    assert asked("link-p00", stop, own, "POST") == "401"
    assert asked("link-p00", link, own) == "401"
    assert asked("link-p00", link, other) == "200"  # the token is what it hangs on
    assert asked("link-p00", f"http://{pod('p01')}:8000/v1/status") == "200"  # reading is open


def test_a_pod_cannot_reach_the_rpc_of_anothers_kubo(swarm: ComposeSwarm) -> None:
    assert "refused" in asked("link-p00", f"http://{pod('p01')}:5001/api/v0/id", method="POST")
    assert asked("link-p00", "http://127.0.0.1:5001/api/v0/id", method="POST") == "200"  # it has its own


def test_a_pod_holds_its_own_secrets_and_rows_and_nobody_elses(swarm: ComposeSwarm) -> None:
    seen = inside("peer-p00", "import os; print(*os.listdir('/pod'), *os.listdir('/journal'))").split()
    assert sorted(set(seen) - {"p00.sqlite-wal", "p00.sqlite-shm"}) == [
        "initial",
        "p00.sqlite",
        "p00.sqlite.lock",
        "roster.json",
        "rows.npz",
        "session.toml",
        "token",
        "wallet.json",
    ]
    assert inside("peer-p00", "import numpy; print(len(numpy.load('/pod/rows.npz')['labels']))") == "1300"
    assert inside("peer-p00", "print(open('/pod/token').read())") == token_of("p00")
    mounts = inside("peer-p00", "print(open('/proc/self/mountinfo').read())")
    assert "pods/p00/peer" in mounts and "p01" not in mounts and "docker.sock" not in mounts
    assert set(inside("peer-p00", "import os; print(*os.listdir('/learnae'))").split()) == {
        "LICENSE",
        "NOTICE",
        "peer",
        "pyproject.toml",
    }


def test_a_pods_files_cannot_be_changed_from_inside(swarm: ComposeSwarm) -> None:
    program = "import os\ntry: open('/pod/token', 'w')\nexcept OSError as error: print(os.strerror(error.errno))"
    assert inside("peer-p00", program) == "Read-only file system"
    assert inside("peer-p00", "import os; print(os.getuid() > 0)") == "True"


def test_status_and_logs_say_how_it_is(swarm: ComposeSwarm, tmp_path: Path) -> None:
    status = here(tmp_path, "compose", "status").stdout
    assert status.count("running") >= 13 and "peer-p03" in status
    assert here(tmp_path, "compose", "logs", "nobody").returncode == 2
    logs = learnae(tmp_path, "compose", "logs", "1")
    assert logs.returncode == 0 and "peer-p01-1 " in logs.stdout and "p00-1 " not in logs.stdout


def test_a_second_session_of_the_same_checkout_is_refused(swarm: ComposeSwarm, tmp_path: Path) -> None:
    second = here(tmp_path, "swarm", session_in(tmp_path), "--backend", "compose")
    assert second.returncode == 2 and f"in its terminal or with kill {swarm.process.pid}" in second.stderr


def test_from_a_pod_nobody_creates_money_or_sends_it_from_other_wallets(swarm: ComposeSwarm) -> None:
    chain, victim = f"http://{subnet()}.2:8545", json.loads((FOLDER / "roster.json").read_text())["peers"][1]["wallet"]
    cheats: list[tuple[str, Sequence[object]]] = [
        ("anvil_setBalance", (victim, "0x1")),
        ("anvil_impersonateAccount", (victim,)),
        ("anvil_reset", ()),
        ("hardhat_setBalance", (victim, "0x1")),
        ("evm_mine", ()),
        ("evm_revert", ("0x0",)),
        ("debug_traceTransaction", ("0x" + "11" * 32,)),
        ("eth_accounts", ()),
        ("eth_sendTransaction", ({"from": victim, "to": victim, "value": "0x1"},)),
        ("eth_sign", (victim, "0x00")),
    ]
    balance, *answers = rpc("link-p00", chain, ("eth_getBalance", (victim, "latest")), *cheats)
    assert int(balance["result"], 16) > 0
    assert [answer["error"]["code"] for answer in answers] == [-32601] * len(cheats)
    assert "refused" in asked("link-p00", f"http://{subnet()}.2:8546/", method="POST")  # Anvil itself
    assert docker("exec", f"{PROJECT}-chain-1", "/ask.sh", "anvil_nodeInfo") == ""  # succeeds: the host keeps the rest


def test_in_a_pod_torch_has_openblas_and_modules_that_training_does_not_use_are_executed_at_their_first_use(
    swarm: ComposeSwarm,
) -> None:
    program = """
import sys
from learnae.learn.torch_import import import_torch
import_torch(whole=False)
import torch
from learnae.learn import trainer
from learnae.learn.batched_optimizers import optimizer_settings
from learnae.learn.batching import Pool, TrainJob
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.mlp import Mlp
from learnae.session.settings import ModelSettings
rows, mlp = torch.arange(250), Mlp((28, 64, 2))
table = Dataset(torch.rand(250, 28), torch.ones(250, dtype=torch.int64))
weights = mlp.random_weights(torch.Generator().manual_seed(1))
Pool(1).submit(TrainJob(mlp, weights, table, rows, rows, optimizer_settings(ModelSettings()), 1)).result()
left_out = not {"torch._decomp", "torch.ao.quantization", "torch.nested._internal"} & sys.modules.keys()
fast = "openblas" in open("/proc/self/maps").read()
layers = [torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 2)]
network = torch.nn.Sequential(*layers)
optimizer = torch.optim.Adam(network.parameters())
network(torch.rand(5, 1, 8, 8)).sum().backward()
optimizer.step()
several = torch.vmap(lambda row: torch.func.functional_call(network[3], dict(network[3].named_parameters()), (row,)))
print(left_out, fast, several(torch.ones(4, 144)).shape == (4, 2), torch.empty(3, 4, device="meta").T.shape == (4, 3))
"""
    assert inside("peer-p00", program) == "True True True True"


def test_a_pod_cannot_start_processes_without_end(swarm: ComposeSwarm) -> None:
    program = """
import os, signal
children = []
try:
    while len(children) < 1000:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
except BlockingIOError:
    print(len(children) < 256)
for child in children:
    os.kill(child, signal.SIGKILL)
"""
    assert inside("peer-p02", program) == "True"


def test_the_session_ends_valid_audited_to_the_wei_and_leaves_nothing(swarm: ComposeSwarm) -> None:
    told("resume", *PEERS)
    swarm.when("The page stays at")
    address = swarm.when("Live page").split()[-1]
    with urlopen(f"{address}v1/events") as shown:
        kinds = {json.loads(line[6:])["kind"] for line in shown if line.startswith(b"data: ")}
    assert {"Evaluated", "SessionEnded"} <= kinds, "the page misses what was worked out in the end"
    swarm.process.send_signal(signal.SIGINT)
    assert swarm.end() == 0, "\n".join(swarm.lines)
    swarm.when(ALL_PASSED)
    assert left() == ""
    audited = here(swarm.run, "audit", swarm.run)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    history = RunDirectory(swarm.run).read()
    assert history.debts and {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}
    summary = RunDirectory(swarm.run).verdict()["summary"]
    assert summary["peers_finished"] == 4 and summary["accuracy_test_mean"] > 0.6


def test_late_joiners_profiteers_and_copycats_are_what_they_are_in_the_simulator(swarm: ComposeSwarm) -> None:
    history = RunDirectory(swarm.run).read()
    assert "p03" in {record.peer for record, _ in history.facts(PeerRestarted)}  # it was killed
    late = [record.t for record in history.records if record.peer == "p01"]
    assert min(late) >= LATE
    trained = {record.peer for record, _ in history.facts(Trained)}
    assert trained == {"p00", "p01", "p03"}
    assert {record.peer for record, _ in history.facts(Averaged)} >= {"p00", "p01", "p02"}
    assert any(fact.reason is Reason.COPY for _, fact in history.facts(AttemptFailed))
    assert fault_impact(history, history).forged["copycat"] == 0  # what it earns, it has trained itself
