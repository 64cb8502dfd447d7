"""A session on containers made ready: where it fits, its images, and what it starts from.

swarm = await prepare(session, say)
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from learnae.backends.compose import free_addresses, images
from learnae.backends.compose.plan import (
    ALL_HERE,
    API,
    CHAIN,
    GRAFANA,
    HOST,
    LINK,
    PROMETHEUS,
    Plan,
    RemotePeerOptions,
    chosen_block_time,
    project,
)
from learnae.backends.compose.remote_peers import RemotePeers
from learnae.backends.compose.render import FOLDER, owner, render
from learnae.backends.compose.session import ComposeSwarm
from learnae.backends.external_chain.chain import ExternalChain, Say
from learnae.checkout import REPOSITORY
from learnae.protocol.types import Cid
from learnae.runtime.roster_file import Roster
from learnae.session.roster import Member, names
from learnae.session.settings import Session
from learnae.session.setup import SessionSetup
from learnae.web.api.server import listen


def planned(
    session: Session, profiles: tuple[str, ...] = (), invited: RemotePeerOptions = ALL_HERE, foreign: bool = False
) -> Plan:
    """Where it fits on this machine now."""
    listed = tuple(names(session.peers))
    numbers = [CHAIN, PROMETHEUS, GRAFANA, *(first + each for first in (API, LINK) for each in range(len(listed)))]
    return Plan(
        project=project(REPOSITORY),
        subnet=free_addresses.free_subnet(REPOSITORY),
        base=free_addresses.free_base(REPOSITORY, numbers, [HOST, *_published(invited)]),
        user=owner(),
        genesis=int(Roster.of([]).began),
        chain_id=session.chain.id,
        block_time=chosen_block_time(session),
        names=listed,
        profiles=profiles,
        invited=invited,
        foreign=foreign,
    )


def _published(invited: RemotePeerOptions) -> Iterator[str]:
    if invited.publish:
        listen(invited.publish, 0).close()  # is it an address of this machine?
        yield invited.publish


def profiles() -> tuple[str, ...]:
    """What watches the swarm, as far as its images are here."""
    found = (("prometheus", images.PROMETHEUS), ("grafana", images.GRAFANA))
    return tuple(name for name, image in found if images.present(image))


async def prepare(
    session: Session,
    say: Say,
    invited: RemotePeerOptions = ALL_HERE,
    foreign: ExternalChain | None = None,
    folder: Path = FOLDER,
) -> ComposeSwarm:
    """Build what has changed, write build/swarm.  Raises InputError; cancelled, it soon ends."""
    await images.build(project(REPOSITORY))
    return await asyncio.to_thread(_rendered, session, say, invited, foreign, folder)


def _rendered(
    session: Session, say: Say, invited: RemotePeerOptions, foreign: ExternalChain | None, folder: Path
) -> ComposeSwarm:
    watching = profiles()
    made = images.stand_ins()
    if made:
        say(f"Stand-ins for images that could not be pulled: {', '.join(made)}.")
    if missing := [title for title in ("Prometheus", "Grafana") if title.lower() not in watching]:
        say(f"Without {' and '.join(missing)}: not among the images here (make base-images).")
    plan = planned(session, watching, invited, foreign is not None)
    members = render(session, plan, folder, foreign.foreign.rpc if foreign else None)
    session_id = _session_id(session, members, folder)
    return ComposeSwarm(session, plan, members, folder, session_id, RemotePeers(plan, folder, session_id), foreign)


def _session_id(session: Session, members: Sequence[Member], folder: Path) -> Cid:
    from learnae.runtime.shard_learning import ShardLearning  # imports NumPy

    learning = ShardLearning(session, folder / "pods" / members[0].name / "peer")
    return SessionSetup(session, members, learning.features, learning.initial_block).session_id
