"""A peer outside of the cluster takes part in a session on Kubernetes: it is paid, pays, and is audited."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.command_line import here
from tests.stack.test_kubernetes import left, session
from tests.stack.test_kubernetes_external_chain import NODE

from learnae.adapters.run_directory import RunDirectory
from learnae.protocol.decisions import DebtState

pytestmark = [pytest.mark.soak, pytest.mark.kubernetes]


def test_a_peer_on_another_machine_joins_over_the_published_address_of_the_host(tmp_path: Path) -> None:
    """The address is that of the node in whose network this test runs, and so one of this machine."""
    file, run = session(tmp_path, peers=2, max_duration=400.0), tmp_path / "run"
    command = [sys.executable, "-m", "learnae", "swarm", str(file), "--backend", "kubernetes", "--out", str(run)]
    command += ["--remote-peers", "1", "--publish", NODE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as swarm:
        assert swarm.stdout
        begun = []
        for line in swarm.stdout:
            begun.append(line)
            if "Waiting for remote peers: p02" in line:
                break
        invited = here(tmp_path, "invite", "p02")
        assert invited.returncode == 0, invited.stderr + "".join(begun)
        assert f'"host":"http://{NODE}:' in (tmp_path / "p02.join.json").read_text()
        joined = here(tmp_path, "join", "p02.join.json", "--folder", "remote")
        assert joined.returncode == 0 and "The journal is handed in." in joined.stdout, joined.stdout + joined.stderr
        rest = swarm.stdout.read()
    assert swarm.returncode == 0, "".join(begun) + rest
    history = RunDirectory(run).read()
    final = [(payer, changes[-1][1]) for (payer, _), changes in history.debts.items()]
    assert final and {debt.state for _, debt in final} == {DebtState.FINAL}
    assert "p02" in {payer for payer, _ in final}
    assert history.roster["p02"].wallet in {debt.payee for _, debt in final}
    assert here(tmp_path, "audit", str(run)).returncode == 0 and not left()
    assert here(tmp_path, "invite").returncode == 2  # once the swarm is gone
