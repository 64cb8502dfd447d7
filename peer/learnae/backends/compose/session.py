"""One session on containers, from nothing to a folder that ``learnae audit`` needs nothing else for.

    with alone(say):
        swarm = await prepare(session, say)          plan, images, build/swarm: ready.py
        await live(swarm, board, run, say)           up, followed, ended, collected
        remove()

What the peers decide comes by their event streams and is shown; what is judged comes from their journals.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from learnae.backends import live_run
from learnae.backends.compose import prometheus_targets
from learnae.backends.compose.collect import collect
from learnae.backends.compose.container_lifecycle import ContainerLifecycle
from learnae.backends.compose.container_monitor import ContainerMonitor
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.event_client import follow
from learnae.backends.compose.faults import ComposeFaults
from learnae.backends.compose.link_client import LinkAgents
from learnae.backends.compose.plan import Plan, project
from learnae.backends.compose.remote_peers import RemotePeers
from learnae.backends.compose.render import FOLDER
from learnae.backends.external_chain.chain import ExternalChain, Say
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.file_lock import try_lock
from learnae.protocol.types import Cid
from learnae.records.history import SWARM, Record, SessionBegan, session_began
from learnae.records.outcome import BackendName, EndedBy
from learnae.runtime.clocks import SessionClock
from learnae.runtime.live_process import input_error
from learnae.runtime.roster_file import Roster
from learnae.session import fault_plan
from learnae.session.roster import Member
from learnae.session.settings import Session
from learnae.web.event_log import EventLog

MARGIN = 120.0  # s beyond the session's own end until its peers are stopped


@dataclass(frozen=True)
class ComposeSwarm:
    """A session that is ready to come up."""

    session: Session
    plan: Plan
    members: tuple[Member, ...]
    folder: Path
    manifest: Cid
    guests: RemotePeers
    foreign: ExternalChain | None = None

    @property
    def pods(self) -> tuple[Member, ...]:
        """Who has one."""
        return self.members[: len(self.plan.hosted)]

    @property
    def containers(self) -> Containers:
        return Containers(self.plan.project, self.folder)

    @property
    def second_zero(self) -> float:
        """Unix seconds."""
        return Roster.read(self.folder / live_run.ROSTER).began

    @property
    def from_the_start(self) -> list[str]:
        """Services; what joins later has its pod from the start, and comes up in it."""
        late = {each.name for each in self.members if each.group.joins_at}
        pods = [f"{part}-{name}" for name in self.plan.hosted for part in ("link", "ipfs")]
        return [
            *self.plan.once,
            *pods,
            *(f"peer-{name}" for name in self.plan.hosted if name not in late),
        ]

    @property
    def began(self) -> SessionBegan:
        return session_began(BackendName.COMPOSE, self.session, self.members, self.manifest)


@contextmanager
def alone(say: Say, folder: Path = FOLDER) -> Iterator[None]:
    """One session of a checkout at a time; what a killed one left is cleared away.  Raises InputError."""
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "swarm.lock").open("a+") as file:
        if not try_lock(file):
            file.seek(0)
            raise InputError(
                "a swarm of this checkout is running already: wait for it, or stop it with Ctrl-C where it was started "
                f"or with kill {file.read().strip()}"
            )
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        left = remove(folder)
        if left:
            say(f"Removed {left} containers that an earlier session had left.")
        yield


async def live(swarm: ComposeSwarm, board: EventLog, run: Path, say: Say) -> EndedBy:
    """Until every peer has left by itself, or the caller is cancelled; what ended it.  ``run`` then holds all of it.

    Raises InputError, also in mid-session; what there was until then is in ``run``, too.
    """
    plan, containers = swarm.plan, swarm.containers
    board.add(Record(0.0, SWARM, swarm.began))
    faults = _faults(swarm, board, run / live_run.FAULTS, say) if swarm.session.faults else None
    watch = ContainerMonitor(containers, say, lambda: faults.away if faults else frozenset())
    if faults:
        await containers.up(f"link-{plan.names[0]}")
        await faults.check()
    try:
        await containers.up(*swarm.from_the_start)
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(follow(plan.api(name), board)) for name in plan.hosted]
            following.append(group.create_task(watch.run()))
            if faults:
                following += [
                    group.create_task(faults.run()),
                    group.create_task(prometheus_targets.follow(board, swarm.folder)),
                ]
            try:
                async with asyncio.timeout(swarm.session.max_duration + MARGIN):
                    await _lives(swarm, faults)
                    await swarm.guests.gone()
                ended_by = EndedBy.QUIET
            except TimeoutError:
                ended_by = EndedBy.MAX_DURATION
            for task in following:
                task.cancel()
        await watch.look()
    except asyncio.CancelledError:
        say("Interrupted: the peers are stopped first, so that their journals are whole.")
        raise
    except BaseExceptionGroup as group:
        raise input_error(group) or group from None
    finally:
        rpc = swarm.foreign.foreign.rpc if swarm.foreign else plan.outer_rpc
        await collect(plan, swarm.folder, rpc, run, say)
    return ended_by


def remove(folder: Path = FOLDER) -> int:
    """Everything of this checkout's swarm; how many containers there were."""
    return Containers(project(REPOSITORY), folder).down()


def _faults(swarm: ComposeSwarm, board: EventLog, file: Path, say: Say) -> ComposeFaults:
    plan, session = swarm.plan, swarm.session
    return ComposeFaults(
        fault_plan.plan(session.faults, plan.names, session.seed),
        [member.name for member in swarm.members if not member.group.joins_at],
        SessionClock(swarm.second_zero),
        LinkAgents(plan, swarm.folder),
        ContainerLifecycle(plan.project, swarm.folder / "chain", plan.block_time),
        board,
        file,
        say,
    )


async def _lives(swarm: ComposeSwarm, faults: ComposeFaults | None) -> None:
    """Until all peers have ended; those that join later are started when their time comes."""
    early = [f"peer-{each.name}" for each in swarm.pods if not each.group.joins_at]
    late = [each for each in swarm.pods if each.group.joins_at]
    await asyncio.gather(_ended(swarm, faults, early), *(_later(swarm, faults, each) for each in late))


async def _later(swarm: ComposeSwarm, faults: ComposeFaults | None, member: Member) -> None:
    service = f"peer-{member.name}"
    await asyncio.sleep(swarm.second_zero + member.group.joins_at - time.time())
    await swarm.containers.up(service)
    await _ended(swarm, faults, [service])


async def _ended(swarm: ComposeSwarm, faults: ComposeFaults | None, services: list[str]) -> None:
    """Until these have ended by themselves: a service that a fault takes down has not."""
    await swarm.containers.ended(services)
    while faults and await faults.lifecycle.brought_back(services):
        await swarm.containers.ended(services)
