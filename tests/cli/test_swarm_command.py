"""``learnae swarm`` as a user sees it: what it prints and serves, its exit code and its files."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import here

SMALL = """
name = "small"
peers = 3
linger = 0.5

[data]
rows = 200
validation_rows = 100
test_rows = 1000

[work]
slices = 2
patience = {patience}
idle_after = 0.5

[model]
epochs = 1

[chain]
block_time = 0.2
poll = 0.2
"""


def session(folder: Path, patience: int = 3) -> Path:
    path = folder / "session.toml"
    path.write_text(SMALL.format(patience=patience))
    return path


EMBEDDED = ("swarm", "--backend", "embedded")


@contextmanager
def running(folder: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "learnae", *EMBEDDED, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str], until: str) -> list[str]:
    """Its output up to and including the line that begins with ``until``."""
    assert process.stdout and process.stderr
    read = []
    for line in process.stdout:
        read.append(line.rstrip())
        if line.lstrip().startswith(until):
            return read
    raise AssertionError("\n".join([*read, process.stderr.read()]))


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)


def address(printed: list[str]) -> str:
    return next(line for line in printed if line.startswith("Live page: ")).split()[-1].rstrip("/")


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_it_serves_while_it_runs_and_ends_as_a_simulation_does(tmp_path: Path) -> None:
    """At another port if that one is taken; it says where."""
    with taken_port() as port, running(tmp_path, session(tmp_path), "--out", "out", "--port", port) as process:
        first = lines(process, "Token")
        assert first[0].startswith("LEARNAE: 3 live peers in one process (")
        assert not address(first).endswith(f":{port}")
        assert get(f"{address(first)}/peers/p00/v1/status")["name"] == "p00"
        token = tmp_path / first[-1].split(": ")[1]
        assert token.stat().st_mode & 0o777 == 0o600
        secret = token.read_text().strip()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, ""), output
    assert "checks passed; all peers finished and all debts are settled." in output
    assert "test accuracy, mean" in output
    assert secret not in output and not token.exists()
    left = {"session.toml", "environment.json", "history.jsonl", "chain.jsonl", "verdict.json", "report.html"}
    assert left < {path.name for path in (tmp_path / "out").iterdir()}
    assert len(list((tmp_path / "out" / "journals").iterdir())) == 3


def test_with_keep_it_serves_the_verdict_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with running(tmp_path, session(tmp_path), "--out", "out", "--port", 0, "--keep") as process:
        printed = lines(process, "Session finished. The page stays at")
        assert get(f"{address(printed)}/v1/session")["verdict"]["verdict"] == "valid"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_readable_run_marked_partial(tmp_path: Path, number: signal.Signals) -> None:
    long = session(tmp_path, patience=10_000)
    with running(tmp_path, long, "--out", "out", "--port", 0) as process:
        printed = lines(process, "Token")
        with urllib.request.urlopen(f"{address(printed)}/v1/events", timeout=60) as events:
            assert any(b"Averaged" in line for line in events)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")  # a reader has left meanwhile: that is no error
    assert "checks passed; the session was interrupted." in output
    checked = here(tmp_path, "check", "out")
    assert checked.returncode == 1
    assert "partial" in checked.stdout


def test_a_signal_before_there_is_a_session_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, session(tmp_path), "--out", "out", "--port", 0) as process:
        lines(process, "Token")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert "Interrupted before there was anything to judge." in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.toml"], "no session and no file missing.toml"),
        (["session.toml", "--backend", "cloud"], "'cloud' is not one of"),
        (["session.toml", "--peers", "1"], "peers = 1 is not allowed: give an integer from 2"),
        (["session.toml", "--port", "70000"], "65535"),
        (["session.toml", "--backend", "sim", "--keep"], "the simulator has no page"),
    ],
)
def test_bad_input_is_refused_before_anything_is_begun(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    session(tmp_path)
    done = here(tmp_path, *EMBEDDED, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert os.listdir(tmp_path) == ["session.toml"]


def test_a_place_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    done = here(tmp_path, *EMBEDDED, session(tmp_path), "--out", "session.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("learnae: session.toml: File exists")


def test_rows_that_are_not_there_are_one_sentence_and_leave_nothing(tmp_path: Path) -> None:
    path = session(tmp_path)
    path.write_text(path.read_text().replace("[data]", '[data]\npath = "none.csv"\nlabel = "y"'))
    done = here(tmp_path, *EMBEDDED, path, "--out", "out", "--port", 0)
    assert done.returncode == 2
    assert "none.csv" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_simulator_is_a_backend_like_another(tmp_path: Path) -> None:
    arguments = (session(tmp_path), "--out", "out", "--seed", 3)
    done = here(tmp_path, "swarm", "--backend", "sim", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("LEARNAE: 3 peers in the simulator")
    assert (tmp_path / "out" / "baselines.json").exists()


def test_a_device_that_is_not_here_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gpu.toml").write_text('peers = 2\n[compute]\ndevice = "cuda"\n')
    monkeypatch.setattr("learnae.learn.compute.available_devices", lambda: ["cpu"])
    done = here(tmp_path, "simulate", "gpu.toml")
    assert done.returncode == 2
    assert 'compute.device = "cuda": PyTorch finds no such device here: use one of cpu, or auto' in " ".join(
        (done.stdout + done.stderr).split()
    )
