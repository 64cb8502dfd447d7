"""The script that lets a peer end in a pod that never completes."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen, run

SCRIPT = Path(__file__).parents[3] / "peer" / "stay.sh"


def command(folder: Path, program: str) -> list[str]:
    for name in ("journal", "gates"):
        (folder / name).mkdir(exist_ok=True)
    return ["sh", str(SCRIPT), str(folder / "journal"), str(folder / "gates"), sys.executable, "-c", program]


def test_a_peer_runs_once_its_code_is_shown_once_in_each_pod_and_then_its_container_stays(tmp_path: Path) -> None:
    ends = command(tmp_path, "print('ran'); raise SystemExit(3)")
    first = run(ends, stdout=PIPE, text=True)
    assert (first.returncode, first.stdout) == (3, "ran\n")
    for _ in range(20):  # whatever it does when it is told to end
        with Popen(ends, stdout=PIPE, text=True) as staying:  # Kubernetes starts it again
            assert not (tmp_path / "gates" / "ended").exists()
            staying.terminate()
            assert staying.communicate()[0] == ""
    (tmp_path / "gates" / "shown").unlink()  # another pod has this volume
    again = run(ends, stdout=PIPE, text=True)
    assert (again.returncode, again.stdout) == (3, "")


def test_a_peer_that_is_killed_runs_again(tmp_path: Path) -> None:
    killed = command(tmp_path, f"import os; print('ran', flush=True); os.kill(os.getpid(), {signal.SIGKILL})")
    for _ in range(2):
        result = run(killed, stdout=PIPE, text=True)
        assert (result.returncode, result.stdout) == (128 + signal.SIGKILL, "ran\n")


def test_a_peer_whose_pod_is_deleted_ends_cleanly_and_runs_again_in_the_next_pod(tmp_path: Path) -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('stopped', flush=True) or 130)); "
        "print('ran', flush=True)\nwhile True: signal.pause()"
    )
    for _ in range(2):
        with Popen(command(tmp_path, program), stdout=PIPE, text=True) as running:
            assert running.stdout and running.stdout.readline() == "ran\n"
            os.kill(running.pid, signal.SIGTERM)
            assert running.stdout.readline() == "stopped\n"
            assert running.wait(60) == 130
