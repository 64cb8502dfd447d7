"""A session on containers made ready: where it fits, its images, and what it starts from.

swarm = await prepare(session, say)
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from learnae.adapters.http.server import listen
from learnae.config import REPOSITORY, Session
from learnae.core.types import Cid
from learnae.core.wire import cid_of
from learnae.drivers.compose import images, places
from learnae.drivers.compose.guests import Guests
from learnae.drivers.compose.plan import (
    ALL_HERE,
    API,
    CHAIN,
    GRAFANA,
    HOST,
    LINK,
    PROMETHEUS,
    Invited,
    Plan,
    chosen_block_time,
    project,
)
from learnae.drivers.compose.render import FOLDER, owner, render
from learnae.drivers.compose.session import Swarm
from learnae.drivers.foreign import ForeignChain, Say
from learnae.drivers.own import INITIAL
from learnae.drivers.rosterfile import Roster
from learnae.manifest import manifest
from learnae.roster import names


def planned(
    session: Session, profiles: tuple[str, ...] = (), invited: Invited = ALL_HERE, foreign: bool = False
) -> Plan:
    """Where it fits on this machine now."""
    listed = tuple(names(session.peers))
    numbers = [CHAIN, PROMETHEUS, GRAFANA, *(first + each for first in (API, LINK) for each in range(len(listed)))]
    return Plan(
        project=project(REPOSITORY),
        subnet=places.free_subnet(REPOSITORY),
        base=places.free_base(REPOSITORY, numbers, [HOST, *_published(invited)]),
        user=owner(),
        genesis=int(Roster.of([]).began),
        chain_id=session.chain.id,
        block_time=chosen_block_time(session),
        names=listed,
        profiles=profiles,
        invited=invited,
        foreign=foreign,
    )


def _published(invited: Invited) -> Iterator[str]:
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
    invited: Invited = ALL_HERE,
    foreign: ForeignChain | None = None,
    folder: Path = FOLDER,
) -> Swarm:
    """Build what has changed, write build/swarm.  Raises InputError; cancelled, it soon ends."""
    await images.build(project(REPOSITORY))
    return await asyncio.to_thread(_rendered, session, say, invited, foreign, folder)


def _rendered(session: Session, say: Say, invited: Invited, foreign: ForeignChain | None, folder: Path) -> Swarm:
    watching = profiles()
    made = images.stand_ins()
    if made:
        say(f"Stand-ins for images that could not be pulled: {', '.join(made)}.")
    if missing := [title for title in ("Prometheus", "Grafana") if title.lower() not in watching]:
        say(f"Without {' and '.join(missing)}: not among the images here (make base-images).")
    plan = planned(session, watching, invited, foreign is not None)
    members = render(session, plan, folder, foreign.foreign.rpc if foreign else None)
    manifest = _manifest(session, folder, plan.names[0])
    return Swarm(session, plan, members, folder, manifest, Guests(plan, folder, manifest), foreign)


def _manifest(session: Session, folder: Path, first: str) -> Cid:
    initial = folder / "pods" / first / "peer" / INITIAL / f"{first}.safetensors"
    from learnae.drivers.own import OwnLearning

    features = OwnLearning(session, folder / "pods" / first / "peer").features
    return cid_of(manifest(session, cid_of(initial.read_bytes()), features))
