"""One session on Kubernetes: create its objects, follow the peers, end them, and keep what they recorded."""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from learnae.backends import live_run
from learnae.backends.base import Run, Say
from learnae.backends.external_chain.chain import ExternalChain
from learnae.backends.kubernetes.installation import Objects
from learnae.backends.kubernetes.lifecycle import DeletedPods
from learnae.backends.kubernetes.plan import ClusterPlan
from learnae.backends.kubernetes.swarm import Swarm
from learnae.backends.pods.collect import collect
from learnae.backends.pods.ending import Ending
from learnae.backends.pods.event_client import follow
from learnae.backends.pods.files import begin_now
from learnae.backends.pods.funding import funded_wallets
from learnae.backends.pods.pod_session import MARGIN, PodSession
from learnae.backends.remote_peers.host import RemotePeers
from learnae.errors import input_error
from learnae.records.history import SWARM, Record
from learnae.records.outcome import BackendName
from learnae.runtime.session_end import SessionEnd


@dataclass(frozen=True)
class Prepared(PodSession[ClusterPlan]):
    """A session that is ready to start.  ``chain``: the external one, if the swarm has none of its own."""

    backend = BackendName.KUBERNETES
    remote_peers: RemotePeers
    chain: ExternalChain | None = None


async def live(prepared: Prepared, objects: Objects, swarm: Swarm, run: Run, say: Say) -> None:
    """Run until every peer has ended, or until cancelled.  The run directory then holds all that was recorded.

    Raises InputError, also in mid-session; what was recorded until then is kept, too.
    """
    run.add(Record(0.0, SWARM, prepared.began))
    await asyncio.to_thread(objects.start)
    async with AsyncExitStack() as funded:  # until everything is collected
        await _tended(prepared, swarm, run, funded, say)


async def _tended(prepared: Prepared, swarm: Swarm, run: Run, funded: AsyncExitStack, say: Say) -> None:
    tending, path = asyncio.create_task(swarm.tend()), run.directory.path
    try:
        async with asyncio.TaskGroup() as group:
            watched = group.create_task(_failing(tending))
            await swarm.waiting()
            say(f"All {len(swarm.names)} pods are ready{'' if prepared.chain else ': the session begins'}.")
            wallets = funded_wallets(prepared.chain, prepared.plan, prepared.folder, path, swarm.execute, say)
            await funded.enter_async_context(wallets)
            begin_now(prepared.folder)
            async with swarm.outside, prepared.remote_peers.received(swarm.access, say):
                await _play(prepared, swarm, run, say)
            watched.cancel()
    except asyncio.CancelledError:
        say("Interrupted: stopping the peers first, so that their journals are complete.")
        raise
    except BaseExceptionGroup as group:
        raise input_error(group) or group from None
    finally:
        try:
            await _collect(prepared, swarm, path, say)
        finally:
            tending.cancel()


async def _failing(tending: "asyncio.Task[None]") -> None:
    """Ends the session if the pods can no longer be tended."""
    await asyncio.shield(tending)


async def _play(prepared: Prepared, swarm: Swarm, run: Run, say: Say) -> None:
    session, remote = prepared.session, prepared.remote_peers
    late = {member.name: member.group.joins_at for member in prepared.members if member.group.joins_at}
    clock, end = prepared.clock, SessionEnd(session.linger, session.max_duration)
    faults = prepared.faults(swarm, DeletedPods(swarm), end, run, say)
    if faults:
        await faults.check()
    await swarm.begin((prepared.folder / live_run.ROSTER).read_bytes(), prepared.early)
    async with asyncio.TaskGroup() as group:
        background = [group.create_task(follow(name, swarm.api(name), run.add, say)) for name in swarm.names]
        background += [group.create_task(_join(swarm, name, at - clock())) for name, at in late.items()]
        if not remote.tokens:  # whose reports would be needed, too
            background.append(group.create_task(_ending(prepared, swarm, end, run).run()))
        if faults:
            background.append(group.create_task(faults.run()))
        try:
            async with asyncio.timeout(session.max_duration + MARGIN):
                await _report(swarm, await swarm.ended(swarm.names), say)
                await remote.leave()
        except TimeoutError:
            pass
        for task in background:
            task.cancel()
    for line in remote.missing():
        say(line)


async def _join(swarm: Swarm, name: str, delay: float) -> None:
    await asyncio.sleep(delay)
    swarm.admit([name])


def _ending(prepared: Prepared, swarm: Swarm, end: SessionEnd, run: Run) -> Ending:
    apis = {name: swarm.api(name) for name in swarm.names}

    async def gone(silent: Collection[str]) -> list[str]:
        return [name for name in silent if swarm.has_finished(name)]

    return prepared.ending(apis, end, run.events, gone)


async def _report(swarm: Swarm, codes: dict[str, int], say: Say) -> None:
    for name, code in codes.items():
        if code:
            said = await asyncio.to_thread(swarm.cluster.last_line, swarm.plan.pods[name], "peer")
            say(f"The peer {name} ended with exit code {code}: {said}")


async def _collect(prepared: Prepared, swarm: Swarm, run: Path, say: Say) -> None:
    await swarm.stop_peers(swarm.names)
    await swarm.fetch_journals()
    rpc = prepared.chain.settings.rpc if prepared.chain else swarm.rpc
    await collect(prepared.plan, prepared.folder, rpc, run, say)
