"""A session on containers by the clock, from the command to the verdict, and what a pod takes of memory.

    .venv/bin/python bench/compose.py [--peers 20] [--session examples/paper.toml]

Second 0 is when this program begins, as if it were `make swarm`; images are built.  Memory is proportional set size, in
the middle of the session (every peer has averaged), of all processes of a pod's three containers; it needs root.
"""

import time

BEGAN = time.monotonic()

import argparse  # noqa: E402
import asyncio  # noqa: E402
import statistics  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402

from learnae.adapters.http.board import Board  # noqa: E402
from learnae.adapters.rundir import RunDirectory  # noqa: E402
from learnae.config import load  # noqa: E402
from learnae.core.facts import Averaged, DebtChanged, DebtState, Identity, IdentityChanged, Work, WorkChanged  # noqa: E402
from learnae.drivers import audit  # noqa: E402
from learnae.drivers.compose import engine  # noqa: E402
from learnae.drivers.compose import session as sessions  # noqa: E402

PARTS = ("link", "ipfs", "peer")
MB = 1e6


class Clock:
    """When what happened first, or to the last peer."""

    def __init__(self, swarm: sessions.Swarm) -> None:
        self.swarm, self.registered, self.averaged, self.done = swarm, set[str](), set[str](), set[str]()
        self.times: dict[str, float] = {}
        self.memory: dict[str, list[float]] = {}

    async def watch(self, board: Board) -> None:
        async for _, record in board.follow():
            match record.fact:
                case IdentityChanged(identity=Identity.REGISTERED):
                    self.registered.add(record.peer)
                    if len(self.registered) == len(self.swarm.plan.names):
                        self.note("last peer registered")
                case DebtChanged(state=DebtState.MINED | DebtState.FINAL):
                    self.note("first payment")
                case Averaged():
                    self.averaged.add(record.peer)
                    if len(self.averaged) == len(self.swarm.plan.names) and not self.memory:
                        self.memory = await asyncio.to_thread(memory, self.swarm)
                case WorkChanged(work=Work.DONE):
                    self.done.add(record.peer)
                    if len(self.done) == len(self.swarm.plan.names):
                        self.note("last peer done for the first time")

    def note(self, what: str) -> None:
        self.times.setdefault(what, time.monotonic() - BEGAN)


def memory(swarm: sessions.Swarm) -> dict[str, list[float]]:
    """MB by part, of each pod."""
    names = [f"{swarm.plan.project}-{part}-{name}-1" for part in PARTS for name in swarm.plan.names]
    pids = engine.docker("inspect", "--format", "{{.State.Pid}}", *names).split()
    sizes = [sum(map(pss, family(pid))) / MB for pid in pids]
    count = len(swarm.plan.names)
    return {part: sizes[index * count : (index + 1) * count] for index, part in enumerate(PARTS)}


def family(pid: str) -> list[str]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(child))]


def pss(pid: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


async def main(peers: int, path: Path) -> None:
    session, board = load(path, {"peers": peers}), Board()
    with sessions.alone(), TemporaryDirectory() as folder:
        try:
            swarm = await asyncio.to_thread(sessions.prepare, session, print)
            clock = Clock(swarm)
            clock.note("all prepared")
            watching = asyncio.create_task(clock.watch(board))
            await sessions.live(swarm, board, Path(folder), print)
            clock.note("session over and collected")
            await asyncio.to_thread(audit.retell, Path(folder))
            run = RunDirectory(Path(folder))
            found = run.judge(run.read(), None)
            clock.note("verdict")
            watching.cancel()
        finally:
            sessions.remove()
    for what, seconds in clock.times.items():
        print(f"{seconds:6.1f} s  {what}")
    pods = [sum(each) for each in zip(*clock.memory.values(), strict=True)]
    parts = ", ".join(f"{part} {statistics.mean(each):.0f}" for part, each in clock.memory.items())
    print(f"a pod: mean {statistics.mean(pods):.0f} MB, largest {max(pods):.0f} ({parts})")
    print(f"verdict {found['verdict']}: {found['summary']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=int, default=20)
    parser.add_argument("--session", type=Path, default=Path("examples/paper.toml"))
    wanted, lacking = parser.parse_args(), engine.lacking()
    if lacking:
        raise SystemExit(f"bench/compose.py: {lacking}")
    asyncio.run(main(wanted.peers, wanted.session))
