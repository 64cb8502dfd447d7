"""Prepares a session in containers: addresses, images, and the files that the containers start from.

swarm = await prepare(session, say)
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from learnae.backends.base import Say
from learnae.backends.compose import free_addresses, images
from learnae.backends.compose.plan import (
    API,
    CHAIN,
    GRAFANA,
    LINK,
    PROMETHEUS,
    Plan,
    project,
)
from learnae.backends.compose.render import FOLDER, render
from learnae.backends.compose.session import ComposeSwarm
from learnae.backends.external_chain.chain import ExternalChain
from learnae.backends.pods import files as pod_files
from learnae.backends.pods.files import NOTICE, owner
from learnae.backends.pods.plan import HOST, NO_REMOTE_PEERS, RemotePeerOptions, chosen_block_time
from learnae.backends.remote_peers.host import RemotePeers
from learnae.checkout import REPOSITORY
from learnae.runtime.clocks import Moment
from learnae.session.roster import names
from learnae.session.sensor_rules import sensors
from learnae.session.settings import Session
from learnae.web.api.server import listen


async def prepare(
    session: Session,
    say: Say,
    remote: RemotePeerOptions = NO_REMOTE_PEERS,
    chain: ExternalChain | None = None,
    folder: Path = FOLDER,
) -> ComposeSwarm:
    """Build the images that have changed and write build/swarm.  Raises InputError."""
    await images.build(project(REPOSITORY), images.feed(session))
    return await asyncio.to_thread(_rendered, session, say, remote, chain, folder)


def plan_for(
    session: Session,
    profiles: tuple[str, ...] = (),
    remote: RemotePeerOptions = NO_REMOTE_PEERS,
    external_chain: bool = False,
) -> Plan:
    """Choose the addresses and ports, which are free on this machine now."""
    peers = tuple(names(session.peers))
    numbers = [CHAIN, PROMETHEUS, GRAFANA, *(first + index for first in (API, LINK) for index in range(len(peers)))]
    return Plan(
        project=project(REPOSITORY),
        subnet=free_addresses.free_subnet(REPOSITORY),
        base=free_addresses.free_base(REPOSITORY, numbers, [HOST, *_published(remote)]),
        user=owner(),
        genesis=int(Moment.now().unix),
        chain_id=session.chain.id,
        block_time=chosen_block_time(session),
        names=peers,
        profiles=profiles,
        remote=remote,
        external_chain=external_chain,
        sensors=sensors(session),
        feed=session.feed,
    )


def available_profiles() -> tuple[str, ...]:
    """The monitoring services whose images are here."""
    monitoring = (("prometheus", images.PROMETHEUS), ("grafana", images.GRAFANA))
    return tuple(name for name, image in monitoring if images.present(image))


def _published(remote: RemotePeerOptions) -> Iterator[str]:
    if remote.publish:
        listen(remote.publish, 0).close()  # fails if it is no address of this machine
        yield remote.publish


def _rendered(
    session: Session, say: Say, remote: RemotePeerOptions, chain: ExternalChain | None, folder: Path
) -> ComposeSwarm:
    profiles = available_profiles()
    stand_ins = images.stand_ins()
    if stand_ins:
        say(f"Using locally built stand-ins for images that could not be pulled: {', '.join(stand_ins)}.")
    missing = [title for title in ("Prometheus", "Grafana") if title.lower() not in profiles]
    if missing:
        say(f"Running without {' and '.join(missing)}: get the images with make base-images.")
    plan = plan_for(session, profiles, remote, chain is not None)
    members = render(session, plan, folder, chain.settings.rpc if chain else None)
    notice = (folder / NOTICE).read_text(encoding="utf-8")
    if notice:
        say(f"Notice: {notice}")
    session_id = pod_files.session_id(session, members, folder)
    remote_peers = RemotePeers(plan.remote_names, folder, session_id)
    return ComposeSwarm(session, plan, members, folder, session_id, remote_peers, chain)
