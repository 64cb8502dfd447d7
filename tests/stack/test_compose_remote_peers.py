"""A peer outside the containers takes part in their session: it is paid, pays, and is audited like the others."""

import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.kubo_nodes import running
from tests.helpers.command_line import ALL_PASSED, here, refused
from tests.stack.compose_swarm import COMMAND, PATIENCE, ComposeSwarm, left, told
from tests.stack.test_compose import session_in

from learnae.adapters.run_directory import RunDirectory
from learnae.checkout import REPOSITORY
from learnae.protocol.decisions import DebtState

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def swarm(folder: Path) -> Iterator[ComposeSwarm]:
    """Two pods that wait for a remote peer, and then until it has come back."""
    swarm = ComposeSwarm(session_in(folder, linger=10.0), folder / "run", "--peers", "2", "--remote-peers", "1")
    try:
        swarm.when("Waiting for remote peers: p02")
        told("pause", "p00", "p01")
        yield swarm
    finally:
        swarm.process.send_signal(signal.SIGINT)
        swarm.end()
        here(folder, "compose", "down")


@pytest.fixture(scope="module")
def join_file(swarm: ComposeSwarm, folder: Path) -> Path:
    invited = here(folder, "invite", "p02")
    assert invited.returncode == 0 and "learnae join p02.join.json" in invited.stdout, invited.stderr
    return folder / "p02.join.json"


def joined(join_file: Path, folder: Path) -> "subprocess.Popen[str]":
    command = [*COMMAND, "join", str(join_file), "--folder", str(folder)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_join_file_is_readable_by_its_owner_alone(join_file: Path, folder: Path) -> None:
    assert stat.S_IMODE(join_file.stat().st_mode) == 0o600
    refused(here(folder, "invite", "p01"), "no remote peer", "p02")


def test_with_anothers_token_nobody_comes(join_file: Path, tmp_path: Path) -> None:
    told = json.loads(join_file.read_text())
    join_file = tmp_path / "p02.join.json"
    join_file.write_text(json.dumps(told | {"token": "0" * 43}))
    refused(here(tmp_path, "join", join_file), "another session")


def test_ctrl_c_ends_a_remote_peer_and_its_ipfs_node(swarm: ComposeSwarm, join_file: Path, folder: Path) -> None:
    remote = joined(join_file, folder / "remote")
    assert remote.stdout
    assert any("1 of 1 registered" in line for line in remote.stdout)
    assert running(folder / "remote" / "ipfs")
    remote.send_signal(signal.SIGINT)
    said, _ = remote.communicate(timeout=PATIENCE)
    assert remote.returncode == 130 and "has left (stopped)" in said and "handed in" in said
    assert not running(folder / "remote" / "ipfs")


def test_a_remote_peer_that_came_back_is_paid_and_pays_and_the_session_is_valid(
    swarm: ComposeSwarm, join_file: Path, folder: Path
) -> None:
    remote = joined(join_file, folder / "remote")
    assert remote.stdout
    assert any("1 of 1 registered" in line for line in remote.stdout)
    told("resume", "p00", "p01")
    said, _ = remote.communicate(timeout=PATIENCE)
    assert remote.returncode == 0, said
    assert "The journal is handed in." in said
    swarm.when("The page stays at")
    swarm.process.send_signal(signal.SIGINT)
    assert swarm.end() == 0, "\n".join(swarm.lines)
    swarm.when(ALL_PASSED)
    history = RunDirectory(swarm.run).read()
    final = [(payer, changes[-1][1]) for (payer, _), changes in history.debts.items()]
    assert final and {debt.state for _, debt in final} == {DebtState.FINAL}
    assert "p02" in {payer for payer, _ in final}
    assert history.roster["p02"].wallet in {debt.payee for _, debt in final}


def test_what_a_remote_peer_did_is_audited_when_everything_is_gone(swarm: ComposeSwarm) -> None:
    assert left() == ""
    audited = here(swarm.run, "audit", swarm.run)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "p02 had 1 ETH" in audited.stdout


def test_to_a_swarm_that_is_gone_nobody_is_invited_and_nobody_comes(
    swarm: ComposeSwarm, join_file: Path, tmp_path: Path
) -> None:
    refused(here(tmp_path, "invite"), "no swarm of this checkout has remote peers")
    refused(here(tmp_path, "join", join_file), "over")
