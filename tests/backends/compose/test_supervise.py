"""The script that keeps a program running in the container that owns a network namespace."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen

SCRIPT = Path(__file__).parents[3] / "peer" / "supervise.sh"
PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("stopped", flush=True), sys.exit(0)))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


def test_a_program_that_is_killed_is_started_again_and_one_that_is_stopped_is_not(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with Popen(["sh", str(SCRIPT), sys.executable, str(program)], stdout=PIPE, stderr=PIPE, text=True) as supervised:
        assert supervised.stdout and supervised.stderr
        first = int(supervised.stdout.readline())
        os.kill(first, signal.SIGKILL)
        said = next(line for line in supervised.stderr if line.startswith("supervise:"))
        assert said.endswith("ended with code 137 and starts again in 0.5 s\n")
        assert int(supervised.stdout.readline()) != first
        supervised.terminate()
        assert supervised.stdout.readline() == "stopped\n"
        assert supervised.wait(10) == 0
