"""An embedded session and a Kubo node, scraped every second by a real Prometheus that is configured as the swarm's own.

``python -m tests.stack.monitored FOLDER`` draws the dashboards of a longer one there.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

from fastapi import Response
from monitor.ask import Prometheus
from tests.adapters.kubo_nodes import Nodes
from tests.helpers.live_peer_lives import QUICK
from tests.helpers.ports import free_port

from learnae.adapters.kubo import Kubo
from learnae.adapters.run_directory import RunDirectory
from learnae.backends.base import Run, RunOptions
from learnae.backends.compose.prometheus_targets import fault_targets
from learnae.backends.embedded.backend import EmbeddedBackend
from learnae.checkout import REPOSITORY
from learnae.records.history import FaultBegan
from learnae.runtime.learning import Learning, MemoryLearning
from learnae.session.faults import FaultKind
from learnae.session.roster import names
from learnae.session.session_file import parse
from learnae.session.settings import Session
from learnae.web.api.server import listen, serving, url

MONITOR = REPOSITORY / "monitor"
END = 200.0  # s until what is waited for is there
SESSION: dict[str, Any] = QUICK | {
    "peers": 6,
    "max_duration": 600.0,
    "pace": {"slice": 0.2, "attempt": 0.2},
    "work": {"slices": 6, "patience": 12, "idle_after": 0.4},
    "groups": [{"count": 1, "policy": "refuses-to-pay"}, {"count": 1, "has_rows": False}, {}],
}


@dataclass
class Watched:
    """``folder``: what Prometheus reads.  ``began`` and ``ended``: Unix seconds of the session.

    ``seen``: when all was scraped; the fault window may outlast a session on a fast machine.
    """

    folder: Path
    settings: dict[str, Any]
    learning: Callable[[Session], Learning] = MemoryLearning
    over: Event = field(default_factory=Event)
    began: float = 0.0
    ended: float = 0.0
    seen: float = 0.0

    def __post_init__(self) -> None:
        self.port = free_port()
        self.prometheus = Prometheus(f"http://127.0.0.1:{self.port}", "5s")
        self.socket = listen("127.0.0.1", 0)
        labels = {"peer": "p00", "role": "trainer", "policy": "honest"}  # of the page; its series name their own
        self.write("targets", [{"targets": [url(self.socket).removeprefix("http://")], "labels": labels}])
        self.write("faults", [])
        for file in ("rules.yml", "alerts.yml"):
            shutil.copy(MONITOR / file, self.folder)
        config = (MONITOR / "prometheus.yml").read_text().replace("/swarm/", f"{self.folder}/")
        (self.folder / "prometheus.yml").write_text(
            config.replace(": 15s", ": 1s").replace(": 5s", ": 1s").replace(": 4s", ": 1s")
        )

    def write(self, name: str, targets: list[Any]) -> None:
        new = self.folder / f"{name}.new"
        new.write_text(json.dumps(targets).replace("127.0.0.1:9090", f"127.0.0.1:{self.port}"))
        new.replace(new.with_suffix(".json"))

    def open_fault(self) -> None:
        self.write("faults", fault_targets([FaultBegan(0, FaultKind.SPLIT, tuple(names(self.settings["peers"])), ())]))

    async def play(self, node: Any) -> None:
        """Serves the pages until cancelled."""
        session = parse(self.settings)
        run = Run(RunDirectory.create(self.folder, "live", self.folder / "out"))
        backend = EmbeddedBackend(session, RunOptions(), print, lambda session, threads, salt: self.learning(session))
        app = backend.page(run)
        kubo = await Kubo.connect("127.0.0.1", node.rpc_port)

        async def page() -> Response:
            return Response(await kubo.metrics())

        app.add_api_route("/kubo/metrics", page)
        try:
            async with serving(app, self.socket):
                self.began = time.time()
                await backend.prepare(run)
                await backend.run(run)
                self.ended = time.time()
                self.over.set()
                await asyncio.Event().wait()
        finally:
            backend.clean_up()
            await kubo.close()


@contextmanager
def monitored(
    folder: Path, settings: dict[str, Any], learning: Callable[[Session], Learning] = MemoryLearning
) -> Iterator[Watched]:
    """When the session has ended and all of it was scraped.  A fault window was open meanwhile."""
    nodes = Nodes(folder, 2)
    watched = Watched(folder, settings, learning)
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
    command += [f"--web.listen-address=127.0.0.1:{watched.port}", "--log.level=warn"]
    with (folder / "prometheus.log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            until(lambda: watched.prometheus.get("targets")["activeTargets"])
            with playing(watched, nodes[0]):
                ask = watched.prometheus.query
                until(lambda: ask("sum(learnae_slices_total) > 2"))
                watched.open_fault()
                until(lambda: ask("count_over_time(swarm:faults:open[1m]) > 7"))  # longer than a panel's step
                watched.write("faults", [])
                until(lambda: not ask("swarm:faults:open"))
                assert watched.over.wait(END)
                until(lambda: ask(f'timestamp(up{{job="peers"}}) > {watched.ended + 1}'))
                watched.seen = time.time()
                yield watched
        finally:
            process.terminate()
            nodes.stop()


@contextmanager
def playing(watched: Watched, node: Any) -> Iterator[None]:
    """In a thread of its own."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(watched.play(node))
    thread = Thread(target=_run, args=(loop, task))
    thread.start()
    try:
        yield
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    try:
        loop.run_until_complete(task)
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


def until(found: Callable[[], Any]) -> Any:
    """What it finds, as soon as it finds something; nobody may be there yet."""
    deadline = time.monotonic() + END
    while True:
        try:
            if value := found():
                return value
        except OSError:
            pass
        assert time.monotonic() < deadline
        Event().wait(0.1)


def draw(target: Path) -> None:
    """Here peers really learn, so that accuracies are some."""
    from monitor.draw import draw_dashboards

    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    longer = {"peers": 8, "pace": {"slice": 1.6, "attempt": 0.8}, "work": {"slices": 10, "patience": 15}}
    longer |= {"data": {"rows": 5000}, "chain": SESSION["chain"] | {"block_time": 1.0}}
    with (
        tempfile.TemporaryDirectory() as folder,
        monitored(Path(folder), SESSION | longer, lambda session: TorchLearning(session, threads=1)) as watched,
    ):
        draw_dashboards(watched.prometheus, watched.began - 2, watched.ended + 1, target)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
