"""bench/rivals: the programs that need nothing but LEARNAE's environment do the same work, and runs are measured."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from bench.rivals import limit, plain_loop, prepare
from bench.rivals.environments import NotInstalled, _python, interpreter
from bench.rivals.measure import ProgramFailed, run
from bench.rivals.rivals import Kind, Rival
from bench.rivals.simulator import Simulator
from bench.rivals.table import Result, far_apart, table
from bench.rivals.work import Work

from learnae.learn.model import create_network
from learnae.learn.serialization import decode_block
from learnae.runtime.torch_learning import TorchLearning

SESSION = """
name = "tiny"
peers = 3
[data]
rows = 300
validation_rows = 100
test_rows = 500
[work]
slices = 1
passes = 3
patience = 1
[model]
hidden = [8]
batch = 50
epochs = 1
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    (folder / "tiny.toml").write_text(SESSION)
    prepare.prepare(folder / "work", folder / "tiny.toml")
    return Work.load(folder / "work")


def test_rivals_get_the_rows_and_weights_of_the_session(work: Work) -> None:
    session = prepare.session_of(work.folder)
    learning = TorchLearning(session, 1)
    for index, rows in enumerate(learning.split.peers):
        features, labels = learning.table.select(rows.train)
        assert torch.equal(work.features[index], features) and torch.equal(work.labels[index], labels)
    network = create_network(session.model, *learning.table.shape)
    weights = decode_block(network, learning.initial_block("p01")).weights
    assert all(torch.equal(work.initial[name], tensor) for name, tensor in network.tensors(weights).items())
    assert work.settings.passes == 3 and work.settings.batch == 50


def test_the_plain_loop_and_the_simulator_train_every_peer(work: Work) -> None:
    before = work.accuracy(work.initial)
    for models in (plain_loop.train(work), Simulator(work.folder).train(work)):
        assert len(models) == 3
        assert all(work.accuracy(model) > before for model in models)


def test_the_limit_computes_for_any_number_of_peers(work: Work) -> None:
    assert limit.train(work) == []


def test_a_program_is_measured_with_its_children(tmp_path: Path) -> None:
    child = "import time; block = b'x' * 150_000_000\nwhile time.process_time() < 0.7: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    usage = run([sys.executable, "-c", code], tmp_path, tmp_path / "output.txt", 60)
    assert usage.peak_mb > 150
    assert 0 < usage.processor_seconds <= usage.seconds * (os.cpu_count() or 1)


def test_a_program_that_fails_or_hangs_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="no such rival"):
        run([sys.executable, "-c", "raise SystemExit('no such rival')"], tmp_path, tmp_path / "output.txt", 60)
    with pytest.raises(ProgramFailed, match="more than 0.2 s"):
        run([sys.executable, "-c", "import signal; signal.pause()"], tmp_path, tmp_path / "output.txt", 0.2)


def test_an_interpreter_that_is_found_and_does_not_run_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a shim of pyenv for a version that is not chosen."""
    shims, real = tmp_path / "shims", tmp_path / "versions"
    for folder, text in ((shims, "echo not chosen >&2; exit 127"), (real, "echo 3.97")):
        folder.mkdir()
        (folder / "python3.97").write_text(f"#!/bin/sh\n{text}\n")
        (folder / "python3.97").chmod(0o755)
    old = Rival("old", "old", Kind.CENTRAL, ("old",), ("3.97", "3.98"))
    monkeypatch.setenv("PATH", str(shims))
    with pytest.raises(NotInstalled, match=r"needs Python 3\.97 or 3\.98, and none runs here"):
        interpreter(old, tmp_path)
    monkeypatch.setenv("PATH", f"{shims}{os.pathsep}{real}")
    assert _python(old) == str(real / "python3.97")
    assert _python(replace(old, pythons=("3.96", "3.97"))) == str(real / "python3.97")
    assert _python(replace(old, pythons=(f"{sys.version_info.major}.{sys.version_info.minor}",))) == sys.executable


def test_an_interpreter_that_only_pyenv_knows_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tmp_path / "versions" / "3.97.1"
    (prefix / "bin").mkdir(parents=True)
    for file, text in ((tmp_path / "pyenv", f"echo {prefix}"), (prefix / "bin" / "python", "echo 3.97")):
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _python(Rival("old", "old", Kind.CENTRAL, ("old",), ("3.97",))) == str(prefix / "bin" / "python")


def result(rival: str, round: int, seconds: float, accuracy: float | None) -> Result:
    return Result(rival, round, "1.0", seconds, seconds + 5, seconds, 400.0, accuracy)


def test_ratios_are_to_the_plain_loop_of_the_same_round() -> None:
    results = [
        result("plain loop", 0, 10.0, 0.85),
        result("LEARNAE", 0, 2.0, 0.851),
        result("plain loop", 1, 20.0, 0.85),
        result("LEARNAE", 1, 5.0, 0.851),
        result("limit", 1, 1.0, None),
    ]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table(results).splitlines()]
    assert rows[3][:9] == ["LEARNAE", "1.0", "decentralised", "2.0", "3.5", "5.0", "0.200", "0.225", "0.250"]
    assert rows[3][-2:] == ["0.8510", "+0.10"]
    assert rows[4][0] == "limit" and rows[4][6] == "0.050" and rows[4][-2:] == ["", ""]
    assert len({len(row) for row in rows}) == 1


def test_an_accuracy_apart_from_the_plain_loop_needs_a_reason() -> None:
    results = [result("plain loop", 0, 10.0, 0.85), result("Flower", 0, 10.0, 0.857), result("gossipy", 0, 9.0, 0.84)]
    central, unknown = sorted(far_apart(results))
    assert central.startswith("Flower: +0.70 points") and "a server averages" in central
    assert unknown == "gossipy: -1.00 points of accuracy; REASON UNKNOWN"
    assert far_apart(results[:1]) == []
