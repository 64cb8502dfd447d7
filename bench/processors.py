"""Processor seconds and memory of a swarm's containers, of the engine and of the command.  Needs root.

A container's counter is gone when it ends, so all are sampled: up to ``EVERY`` seconds of each are missing.
"""

import os
import resource
import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from learnae.backends.compose.docker_cli import docker

EVERY = 0.25  # s
PARTS = ("link", "ipfs", "peer")  # of a pod
DAEMONS, SHIM = ("dockerd", "containerd", "docker-proxy"), "containerd-shim"
CGROUPS = Path("/sys/fs/cgroup")
TICKS = os.sysconf("SC_CLK_TCK")
MB = 1e6


@contextmanager
def repeated(look: Callable[[int], None], every: float) -> Iterator[None]:
    """Meanwhile, call this in a thread every so many seconds, with the number of the call."""
    stop = threading.Event()

    def looks() -> None:
        number = 0
        while not stop.wait(every):
            look(number)
            number += 1

    thread = threading.Thread(target=looks)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Processors:
    def __init__(self, project: str) -> None:
        self._project = project
        self._counters: dict[str, Path] = {}  # by container
        self.seconds: dict[str, float] = {}  # by service, such as peer-p00
        self._services: dict[str, str] = {}
        self._shims: dict[Path, float] = {}
        self._engine = daemons()
        self._command = command()
        self.engine = self.command = 0.0

    @contextmanager
    def sampled(self) -> Iterator[None]:
        try:
            with repeated(self._sample, EVERY):
                yield
        finally:
            self.engine = daemons() - self._engine + sum(self._shims.values())
            self.command = command() - self._command

    def pods(self) -> dict[str, float]:
        """Mean seconds of a pod, by part; ``shared``: what all pods share, divided by their number."""
        parts = {part: [used for name, used in self.seconds.items() if name.startswith(f"{part}-")] for part in PARTS}
        pods = len(parts["peer"]) or 1
        shared = sum(self.seconds.values()) - sum(map(sum, parts.values()))
        return {part: statistics.mean(used) for part, used in parts.items() if used} | {"shared": shared / pods}

    def _sample(self, look: int) -> None:
        if look % 8 == 0:
            self._find()
        for container, counter in list(self._counters.items()):
            try:
                self.seconds[self._services[container]] = read(counter)
            except OSError:  # it has ended
                del self._counters[container]
        # A shim's time includes that of its ended children: of runc, which belongs to the engine, but at the end also
        # of the container, which has been counted.  So it counts while its container runs.
        if look % 4 == 0:
            self._shims |= {shim: _process(shim) for shim in _named(SHIM) if children(shim)}

    def _find(self) -> None:
        listing = '{{.ID}} {{.Label "com.docker.compose.service"}}'
        found = docker(
            "ps", "--no-trunc", "--filter", f"label=com.docker.compose.project={self._project}", "--format", listing
        )
        for container, service in (line.split() for line in found.splitlines()):
            if container not in self._services:
                self._services[container] = service
                self._counters[container] = counter(container)


def counter(container: str) -> Path:
    """The file with the processor time of a container."""
    places = (
        f"cpuacct/docker/{container}/cpuacct.usage",
        f"cpu,cpuacct/docker/{container}/cpuacct.usage",
        f"system.slice/docker-{container}.scope/cpu.stat",
        f"docker/{container}/cpu.stat",
    )
    return next((CGROUPS / place for place in places if (CGROUPS / place).exists()), CGROUPS / places[0])


def read(counter: Path) -> float:
    text = counter.read_text(encoding="ascii")
    return int(text.split()[1]) / 1e6 if counter.name == "cpu.stat" else int(text) / 1e9


def daemons() -> float:
    """Processor seconds of Docker so far, with what its processes have started, without shims."""
    return sum(map(_process, _named(*DAEMONS)))


def command() -> float:
    """Processor seconds of this process and of those that it has started."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def memory(project: str, names: tuple[str, ...]) -> dict[str, list[float]]:
    """MB (proportional set size) by part, of each pod."""
    containers = [f"{project}-{part}-{name}-1" for part in PARTS for name in names]
    pids = docker("inspect", "--format", "{{.State.Pid}}", *containers).split()
    sizes = [sum(map(pss, family(pid))) / MB for pid in pids]
    return {part: sizes[index * len(names) : (index + 1) * len(names)] for index, part in enumerate(PARTS)}


def family(pid: str) -> list[str]:
    """A process, its children and theirs."""
    return [pid, *(each for child in children(Path("/proc") / pid) for each in family(child))]


def children(process: Path) -> list[str]:
    """Those that any of its threads has started and that have not ended."""
    return [child for thread in process.glob("task/*") for child in _read(thread / "children").split()]


def pss(pid: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def _named(*names: str) -> list[Path]:
    return [process for process in Path("/proc").glob("[0-9]*") if _read(process / "comm").strip() in names]


def _read(file: Path) -> str:
    """Empty if the process has ended."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _process(process: Path) -> float:
    """Processor seconds with those of ended children."""
    try:
        fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS
