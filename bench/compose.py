"""A session on containers: times from the command to the verdict, processor time and memory of a pod, and scrapes.

    .venv/bin/python bench/compose.py [--peers 20] [--session paper]

Second 0 is when this program begins: its imports, looking whether images are current, rendering and coming up count, as
they do for `learnae swarm`; what `make` takes before that, the page's server, figures and report do not.
Times are also given in plain loops (bench/loop.py) of as many peers, a quarter of which is measured at the end.
Processor time is that of all containers, of the engine and of this program, per peer; see bench/processors.py.  Memory
is proportional set size, in the middle of the session (every peer has averaged), of all processes of a pod's three
containers.  Both need root.

Scrapes are those of the swarm's own Prometheus: missed is one that failed after the peer's process began, so that its
first seconds, in which it does not listen yet, count, and before its last good one, since peers leave by themselves;
times are of those while any peer trains, which no scrape may have seen.  `--out` keeps the run for `learnae calibrate`.
"""

import time

BEGAN = time.monotonic()

import argparse  # noqa: E402
import asyncio  # noqa: E402
import re  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))  # Prometheus is asked as the dashboards' tests ask it

from bench.processors import Processors, memory  # noqa: E402
from monitor.ask import Prometheus  # noqa: E402

from learnae.adapters.run_directory import RunDirectory  # noqa: E402
from learnae.backends import live_run  # noqa: E402
from learnae.backends.base import Run  # noqa: E402
from learnae.backends.compose import engine  # noqa: E402
from learnae.backends.compose import session as sessions  # noqa: E402
from learnae.backends.compose.plan import PROMETHEUS  # noqa: E402
from learnae.backends.compose.prepare import prepare  # noqa: E402
from learnae.backends.pods.plan import HOST  # noqa: E402
from learnae.protocol.decisions import (  # noqa: E402
    Averaged,
    DebtChanged,
    DebtState,
    IdentityChanged,
    IdentityState,
    WorkChanged,
    WorkState,
)
from learnae.session.session_file import load  # noqa: E402
from learnae.session.shipped import session_file  # noqa: E402
from learnae.web.event_log import EventLog  # noqa: E402

SUCCESSFUL_SCRAPES = 'scrape_duration_seconds{job="peers"} and up == 1'
STARTED = 'min_over_time(process_start_time_seconds{job="peers"}[1h])'  # of a peer that was started again: the first


class Clock:
    """When what happened first, or to the last peer."""

    def __init__(self, swarm: sessions.ComposeSwarm) -> None:
        self.swarm, self.registered, self.averaged, self.done = swarm, set[str](), set[str](), set[str]()
        self.times: dict[str, float] = {}
        self.memory: dict[str, list[float]] = {}

    async def watch(self, events: EventLog) -> None:
        async for _, record in events.follow():
            match record.fact:
                case IdentityChanged(identity=IdentityState.REGISTERED):
                    self.registered.add(record.peer)
                    if len(self.registered) == len(self.swarm.plan.names):
                        self.note("last peer registered")
                case DebtChanged(state=DebtState.MINED | DebtState.FINAL):
                    self.note("first payment")
                case Averaged():
                    self.averaged.add(record.peer)
                    if len(self.averaged) == len(self.swarm.plan.names) and not self.memory:
                        self.memory = await asyncio.to_thread(memory, self.swarm.plan.project, self.swarm.plan.hosted)
                case WorkChanged(work=WorkState.DONE):
                    self.done.add(record.peer)
                    if len(self.done) == len(self.swarm.plan.names):
                        self.note("last peer done for the first time")

    def note(self, what: str) -> None:
        self.times.setdefault(what, time.monotonic() - BEGAN)


def scrapes(ask: Prometheus, began: float, ended: float) -> str:
    """``began`` and ``ended``: Unix seconds."""
    missed, count = 0, 0
    starts = {labels["peer"]: points[-1][1] for labels, points in ask.query_range(STARTED, began, ended)}
    for labels, points in ask.query_range('up{job="peers"}', began, ended):
        good = [at for at, value in points if value]
        first, last = starts.get(labels["peer"], began), good[-1] if good else ended
        held = [value for at, value in points if first <= at <= last]
        missed, count = missed + held.count(0.0), count + len(held)
    times = sorted(
        1e3 * seconds
        for _, training in ask.query_range('sum(learnae_work_state{state="training"}) > 0', began, ended)
        for _, points in ask.query_range(SUCCESSFUL_SCRAPES, training[0][0], training[-1][0], 5.0)
        for _, seconds in points
    )
    while_training = (
        f"{len(times)} while training, median {statistics.median(times):.0f} ms, "
        f"p95 {times[int(len(times) * 0.95)]:.0f} ms"
        if times
        else "none while training"
    )
    watching, all_of_it = (
        sum(points[-1][1] for _, points in ask.query_range(expr, began, ended))
        for expr in ("sum by (peer) (learnae_monitoring_seconds_total)", 'process_cpu_seconds_total{job="peers"}')
    )
    return (
        f"scrapes: {missed} of {count} peer seconds missed; {while_training}; "
        f"observer and page {watching:.1f} of {all_of_it:.0f} processor seconds, {watching / all_of_it:.2%}"
    )


def plain_loop(peers: int) -> tuple[float, float]:
    """Seconds of the plain loop with this number of peers, by the clock and of the processor; a quarter is measured."""
    program = Path(__file__).with_name("loop.py")
    found = subprocess.run([sys.executable, program, "--peers", "5"], capture_output=True, text=True, check=True)
    wall, processor = map(float, re.findall(r"(\d+\.\d+) s", found.stdout))
    return wall * peers / 20, processor * peers / 20


async def main(peers: int, path: Path, out: Path | None) -> None:
    session = load(path, {"peers": peers})
    with sessions.alone(print), TemporaryDirectory() as temporary:
        folder = out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        began, recorded, watched = time.time(), Run(RunDirectory(folder)), ""
        try:
            swarm = await prepare(session, print)
            clock = Clock(swarm)
            clock.note("all prepared")
            watching = asyncio.create_task(clock.watch(recorded.events))
            processors = Processors(swarm.plan.project)
            with processors.sampled():
                await sessions.live(swarm, recorded, print)
            clock.note("session over and collected")
            ended = time.time()
            await asyncio.to_thread(live_run.write_history, folder)
            found = recorded.directory.judge(recorded.directory.read(), None)
            clock.note("verdict")
            if "prometheus" in swarm.plan.profiles:
                ask = Prometheus(f"http://{HOST}:{swarm.plan.port(PROMETHEUS)}")
                watched = await asyncio.to_thread(scrapes, ask, began, ended)
            watching.cancel()
        finally:
            sessions.remove()
    unit = plain_loop(peers)
    print(f"plain loop of {peers} peers: {unit[0]:.1f} s, {unit[1]:.1f} of the processor")
    for what, seconds in clock.times.items():
        print(f"{seconds:6.1f} s  {seconds / unit[0]:5.2f} loops  {what}")
    used = processors.pods() | {"engine": processors.engine / peers, "command": processors.command / peers}
    each = ", ".join(f"{part} {seconds:.2f}" for part, seconds in used.items())
    pod = sum(used.values())
    print(f"processor: {pod:.2f} s a peer, {pod * peers / unit[1]:.2f} loops ({each})")
    pods = [sum(each) for each in zip(*clock.memory.values(), strict=True)]
    parts = ", ".join(f"{part} {statistics.mean(each):.0f}" for part, each in clock.memory.items())
    print(f"a pod: mean {statistics.mean(pods):.0f} MB, largest {max(pods):.0f} ({parts})")
    if watched:
        print(watched)
    print(f"verdict {found['verdict']}: {found['summary']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=int, default=20)
    parser.add_argument("--session", type=session_file, default="paper")
    parser.add_argument("--out", type=Path)
    wanted, lacking = parser.parse_args(), engine.missing()
    if lacking:
        raise SystemExit(f"bench/compose.py: {lacking}")
    asyncio.run(main(wanted.peers, wanted.session, wanted.out))
