"""One session in containers: start them, follow the peers, end them, and keep what they recorded.

    with alone(say):
        swarm = await prepare(session, say)          plan, images, build/swarm: prepare.py
        await live(swarm, run, say)                  the session, collected into the run directory
        remove()

The live page shows what the peers stream; the verdict is based on their journals.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from learnae.backends.base import Run, Say
from learnae.backends.compose import prometheus_targets
from learnae.backends.compose.container_lifecycle import ContainerLifecycle
from learnae.backends.compose.container_monitor import ContainerMonitor
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.disk_guard import DiskGuard
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.plan import Plan, project
from learnae.backends.compose.render import FOLDER
from learnae.backends.compose.sensors import SensorContainers
from learnae.backends.external_chain.chain import ExternalChain
from learnae.backends.pods import checkout_lock
from learnae.backends.pods.collect import collect
from learnae.backends.pods.ending import Ending, FollowedFeed
from learnae.backends.pods.event_client import follow
from learnae.backends.pods.faults import PodFaults
from learnae.backends.pods.pod_session import MARGIN, PodSession
from learnae.backends.remote_peers.host import RemotePeers
from learnae.checkout import REPOSITORY
from learnae.errors import InputError, input_error
from learnae.records.history import SWARM, Record
from learnae.records.outcome import BackendName
from learnae.runtime.session_end import SessionEnd
from learnae.session.roster import Member
from learnae.web.event_log import EventLog

COMMAND_TIMEOUT = 60.0  # s


@dataclass(frozen=True)
class ComposeSwarm(PodSession[Plan]):
    """A session that is ready to start.  ``chain``: the external one, if the swarm has none of its own."""

    backend = BackendName.COMPOSE
    remote_peers: RemotePeers
    chain: ExternalChain | None = None

    @property
    def hosted_members(self) -> tuple[Member, ...]:
        """Those that have a pod."""
        return tuple(member for member in self.members if member.name in self.plan.hosted)

    @property
    def containers(self) -> Containers:
        return Containers(self.plan.project, self.folder)

    async def execute(self, *command: str) -> None:
        """Run a command in the network of the first pod.  Raises InputError with what it printed."""
        first = f"link-{self.plan.hosted[0]}"
        await self.containers.up(first)
        container = f"{self.plan.project}-{first}-1"
        await asyncio.to_thread(docker, "exec", container, *command, timeout=COMMAND_TIMEOUT)

    @property
    def initial_services(self) -> list[str]:
        """The pod of a peer that joins late starts with the others; only its peer container starts later."""
        late = {member.name for member in self.members if member.group.joins_at}
        pods = [f"{part}-{name}" for name in self.plan.hosted for part in ("link", "ipfs")]
        shared = (*self.plan.shared_services, *self.plan.feed_services)
        return [*shared, *pods, *(f"peer-{name}" for name in self.plan.hosted if name not in late)]


@contextmanager
def alone(say: Say, folder: Path = FOLDER) -> Iterator[None]:
    """Allow one session per checkout at a time, and remove what a killed session left.  Raises InputError."""
    with checkout_lock.alone(folder.with_suffix(".lock")):
        removed = remove(folder)
        if removed:
            say(f"Removed {removed} containers of an earlier session.")
        yield


async def live(swarm: ComposeSwarm, run: Run, say: Say) -> None:
    """Run until every peer has ended, or until cancelled.  The run directory then holds all that was recorded.

    Raises InputError, also in mid-session; what was recorded until then is kept, too.
    """
    plan, containers, directory = swarm.plan, swarm.containers, run.directory.path
    run.add(Record(0.0, SWARM, swarm.began))
    end = SessionEnd(swarm.session.linger, swarm.session.max_duration)
    lifecycle = ContainerLifecycle(plan.project, swarm.folder / "chain", plan.block_time)
    faults = swarm.faults(plan, lifecycle, end, run, say)
    sensors = SensorContainers(swarm.session, swarm.members, swarm.folder, containers, swarm.clock, run, say)
    if faults:
        sensors.started = faults.runner.at_work
    monitor = ContainerMonitor(containers, say, lambda: faults.away if faults else frozenset())
    if faults:
        await containers.up(f"link-{plan.hosted[0]}")
        await faults.check()
    try:
        await containers.up(*swarm.initial_services)
        async with asyncio.TaskGroup() as group:
            background = [group.create_task(follow(name, plan.api(name), run.add, say)) for name in plan.hosted]
            background.append(group.create_task(monitor.run()))
            writing = (*plan.hosted, *plan.sensors)
            guard = DiskGuard(containers, swarm.folder, writing, say, sensors=plan.sensors)
            background.append(group.create_task(guard.run()))
            background.append(group.create_task(sensors.follow()))
            if not plan.remote_names:  # whose reports would be needed, too
                background.append(group.create_task(_ending(swarm, end, run.events, sensors.followed).run()))
            if faults:
                background.append(group.create_task(faults.run()))
                background.append(group.create_task(prometheus_targets.follow(run.events, swarm.folder)))
            try:
                async with asyncio.timeout(swarm.session.max_duration + MARGIN):
                    await _peers_end(swarm, faults)
                    await swarm.remote_peers.leave()
            except TimeoutError:
                pass
            for task in background:
                task.cancel()
        await monitor.look()
    except asyncio.CancelledError:
        say("Interrupted: stopping the peers first, so that their journals are complete.")
        raise
    except BaseExceptionGroup as group:
        raise input_error(group) or group from None
    finally:
        sensors.read()
        rpc = swarm.chain.settings.rpc if swarm.chain else plan.outer_rpc
        with suppress(InputError):  # peers that still run
            await asyncio.to_thread(containers.compose, "stop", *(f"peer-{name}" for name in plan.hosted))
        await collect(plan, swarm.folder, rpc, directory, say)


def remove(folder: Path = FOLDER) -> int:
    """Remove everything of this checkout's swarm; how many containers there were."""
    return Containers(project(REPOSITORY), folder).down()


def _ending(swarm: ComposeSwarm, end: SessionEnd, events: EventLog, feed: FollowedFeed) -> Ending:
    apis = {name: swarm.plan.api(name) for name in swarm.plan.hosted}

    async def gone(silent: Collection[str]) -> list[str]:
        return await asyncio.to_thread(swarm.containers.finished_peers, silent)

    return swarm.ending(apis, end, events, gone, feed)


async def _peers_end(swarm: ComposeSwarm, faults: PodFaults[ContainerLifecycle] | None) -> None:
    """Wait until all peers have ended; start those that join later when it is their time."""
    early = [f"peer-{member.name}" for member in swarm.hosted_members if not member.group.joins_at]
    late = [member for member in swarm.hosted_members if member.group.joins_at]
    await asyncio.gather(_end(swarm, faults, early), *(_start_later(swarm, faults, member) for member in late))


async def _start_later(swarm: ComposeSwarm, faults: PodFaults[ContainerLifecycle] | None, member: Member) -> None:
    service = f"peer-{member.name}"
    await asyncio.sleep(member.group.joins_at - swarm.clock())
    await swarm.containers.up(service)
    await _end(swarm, faults, [service])


async def _end(swarm: ComposeSwarm, faults: PodFaults[ContainerLifecycle] | None, services: list[str]) -> None:
    """Wait until these containers have ended by themselves; those that a fault stopped will be back."""
    await swarm.containers.wait(services)
    while faults and await faults.lifecycle.brought_back(services):
        await swarm.containers.wait(services)
