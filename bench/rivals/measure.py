"""Run a program and measure it and its children: wall time, processor time and peak memory.  Needs Linux."""

import os
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.25  # s between two samples
TICKS = os.sysconf("SC_CLK_TCK")
LINES = 6  # of the output, for a program that failed


class ProgramFailed(Exception):
    """With the end of its output."""


@dataclass
class Usage:
    """Of a program and its descendants, sampled while they run."""

    seconds: float = 0.0  # wall time of the whole program, imports included
    peak_mb: float = 0.0  # proportional set size: shared pages count once
    _ticks: dict[int, int] = field(default_factory=dict)  # of processor time, by process

    @property
    def processor_seconds(self) -> float:
        return sum(self._ticks.values()) / TICKS

    def sample(self, root: int) -> None:
        processes = _tree(root)
        self._ticks.update(processes)
        self.peak_mb = max(self.peak_mb, sum(map(_pss, processes)) / 1e6)


def run(command: Sequence[str | Path], folder: Path, output: Path, limit: float) -> Usage:
    """``folder``: where it runs; ``output``: the file for what it prints.

    Raises ProgramFailed, also after ``limit`` seconds.
    """
    usage, ended = Usage(), threading.Event()
    began = time.perf_counter()
    nothing = subprocess.DEVNULL
    with (
        output.open("wb") as file,
        subprocess.Popen(command, stdin=nothing, stdout=file, stderr=file, cwd=folder) as process,
    ):
        sampler = threading.Thread(target=_watch, args=(usage, process.pid, ended))
        sampler.start()
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"it takes more than {limit:g} s") from None
        finally:
            ended.set()
            sampler.join()
            for pid in reversed(list(_tree(process.pid))):
                _kill(pid)
    usage.seconds = time.perf_counter() - began
    if code:
        raise ProgramFailed(" / ".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]))
    return usage


def _watch(usage: Usage, root: int, ended: threading.Event) -> None:
    while not ended.wait(INTERVAL):
        usage.sample(root)


def _tree(root: int) -> dict[int, int]:
    """Processor time in ticks of a process and its descendants, by id."""
    ticks: dict[int, int] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        pid = int(file.parent.name)
        children[int(fields[1])].append(pid)
        ticks[pid] = int(fields[11]) + int(fields[12])
    found, waiting = {}, [root] if root in ticks else []
    while waiting:
        pid = waiting.pop()
        found[pid] = ticks[pid]
        waiting += children[pid]
    return found


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        pass
