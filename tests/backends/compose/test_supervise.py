"""The script that keeps programs running in their containers."""

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen, run

import pytest

SCRIPT = Path(__file__).parents[3] / "peer" / "supervise.sh"
PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("stopped", flush=True), sys.exit(130)))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""
SAVING = """
import pathlib, signal, sys

def stop(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("saving", flush=True)
    while not pathlib.Path(__file__).with_name("saved").exists():
        pass
    print("saved", flush=True)
    sys.exit(130)

signal.signal(signal.SIGTERM, stop)
print("begun", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("when", ["always", "killed"])
def test_a_program_that_is_killed_is_started_again_and_one_that_is_stopped_is_not(tmp_path: Path, when: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = ["sh", str(SCRIPT), when, sys.executable, str(program)]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True) as supervised:
        assert supervised.stdout and supervised.stderr
        first = int(supervised.stdout.readline())
        os.kill(first, signal.SIGKILL)
        said = next(line for line in supervised.stderr if line.startswith("supervise:"))
        assert said.endswith("ended with code 137 and starts again in 0.5 s\n")
        assert int(supervised.stdout.readline()) != first
        supervised.terminate()
        assert supervised.stdout.readline() == "stopped\n"
        assert supervised.wait(60) == 130


def test_a_second_request_to_stop_does_not_abandon_a_program_that_is_saving(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SAVING)
    with Popen(["sh", str(SCRIPT), "killed", sys.executable, str(program)], stdin=PIPE, stdout=PIPE, text=True) as both:
        assert both.stdin and both.stdout and both.stdout.readline() == "begun\n"
        both.terminate()
        assert both.stdout.readline() == "saving\n"
        both.terminate()
        os.kill(both.pid, signal.SIGINT)
        (tmp_path / "saved").touch()
        assert both.stdout.readline() == "saved\n"
        assert both.wait(60) == 130


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_a_peer_that_ends_by_itself_is_not_started_again(code: int) -> None:
    assert run(["sh", str(SCRIPT), "killed", "sh", "-c", f"exit {code}"], timeout=60).returncode == code


def test_a_peer_that_is_killed_each_time_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    command = ["sh", str(SCRIPT), "killed", "sh", "-c", "echo begun; kill -9 $$"]
    ended = run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (137, "begun\n" * 6)
