"""A process that a command has started is killed, as by a kernel that is short of memory."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from tests.adapters.kubo_nodes import IPFS, running
from tests.helpers.live_peer_lives import Live

from learnae.adapters.ipfs_keys import create_identity, create_swarm_key
from learnae.adapters.kubo.process import kubo_config, kubo_process
from learnae.errors import InputError
from learnae.protocol.decisions import Trained
from learnae.runs.sweep import ROW, plan_runs, run_missing

SMALL = """
peers = 2
[data]
rows = 60
validation_rows = 20
judging_rows = 20
test_rows = 20
[model]
hidden = [4]
[work]
slices = 1
patience = 1
"""


def kill_children() -> None:
    for child in multiprocessing.active_children():
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)


def test_a_killed_evm_ends_the_session_in_a_sentence_and_what_was_recorded_is_kept() -> None:
    live = Live({"peers": 2, "max_duration": 600.0})
    live.when(lambda: any(isinstance(record.fact, Trained) for record in live.recording.records), kill_children)
    with pytest.raises(InputError, match=r"the process of the EVM was ended by SIGKILL: .* run the session again"):
        live.run()
    assert all(live.swarm.journals.values()) and live.recording.records


def test_an_evm_that_is_killed_while_it_starts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    start = multiprocessing.process.BaseProcess.start

    def killed(process: multiprocessing.process.BaseProcess) -> None:
        start(process)
        kill_children()

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", killed)
    with pytest.raises(InputError, match="the process of the EVM was ended by SIGKILL"):
        Live({"peers": 2})


@pytest.mark.slow
def test_a_killed_worker_ends_a_sweep_in_a_sentence_and_finished_runs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(SMALL, encoding="utf-8")
    runs = plan_runs(tmp_path / "session.toml", {}, range(1, 2 * (os.cpu_count() or 1) + 2), tmp_path / "out")
    with pytest.raises(InputError, match="a worker process of the sweep was killed"):
        run_missing(runs, lambda run, row: kill_children())
    finished = [run for run in runs if (run.path / ROW).exists()]
    assert finished and all(run.row for run in finished)
    left = multiprocessing.active_children()  # perhaps killed and not reaped yet, or reaped by a thread
    for child in left:
        child.join(60)
    assert not [child for child in left if Path(f"/proc/{child.pid}").exists()]


@pytest.mark.real
def test_a_killed_kubo_ends_its_peer_in_a_sentence(tmp_path: Path) -> None:
    if not IPFS.exists():
        pytest.skip("Kubo is not there: make tools")
    own, folder = create_identity(), tmp_path / "ipfs"

    async def peer() -> None:
        async with kubo_process(str(IPFS), folder, kubo_config(own.peer_id, own.key, {}), create_swarm_key()):
            os.kill(int((folder / "node.lock").read_text()), signal.SIGKILL)
            await asyncio.Event().wait()

    with pytest.raises(InputError, match="the Kubo node of this peer was ended by SIGKILL: run the same command again"):
        asyncio.run(peer())
    assert not running(folder)
