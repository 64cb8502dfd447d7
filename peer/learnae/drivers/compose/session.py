"""One session on containers, from nothing to a folder that ``learnae audit`` needs nothing else for.

    swarm = prepare(session)                     plan, images, build/swarm
    await live(swarm, board, run, say)           up, followed, ended, collected

What the peers decide comes by their event streams and is shown; what is judged comes from their journals.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from learnae import faults
from learnae.adapters.http.board import Board
from learnae.adapters.http.server import listen
from learnae.config import REPOSITORY, Session, resolved
from learnae.core.types import Cid
from learnae.core.wire import cid_of
from learnae.drivers import audit
from learnae.drivers.compose import engine, places, windows
from learnae.drivers.compose.chaos import ComposeChaos
from learnae.drivers.compose.following import follow
from learnae.drivers.compose.guests import Guests
from learnae.drivers.compose.links import LinkAgents
from learnae.drivers.compose.lives import Lives
from learnae.drivers.compose.plan import (
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
from learnae.drivers.composition import roster_entries
from learnae.drivers.foreign import ForeignChain, Say
from learnae.drivers.live import Clock
from learnae.drivers.own import INITIAL
from learnae.drivers.rosterfile import Roster
from learnae.errors import InputError
from learnae.history import SWARM, VERSION, Record, SessionBegan
from learnae.manifest import manifest
from learnae.roster import Member, names

ALL_HERE = Invited()
MARGIN = 120.0  # s beyond the session's own end until its peers are stopped


@dataclass(frozen=True)
class Swarm:
    """A session that is ready to come up."""

    session: Session
    plan: Plan
    members: tuple[Member, ...]
    folder: Path
    manifest: Cid
    guests: Guests
    foreign: ForeignChain | None = None

    @property
    def pods(self) -> tuple[Member, ...]:
        """Who has one."""
        return self.members[: len(self.plan.hosted)]

    @property
    def containers(self) -> engine.Swarm:
        return engine.Swarm(self.plan.project, self.folder)

    @property
    def second_zero(self) -> float:
        """Unix seconds."""
        return Roster.read(self.folder / audit.ROSTER).began

    @property
    def from_the_start(self) -> list[str]:
        """Services; what joins later has its pod from the start, and comes up in it."""
        late = {each.name for each in self.members if each.traits.joins_at}
        pods = [f"{part}-{name}" for name in self.plan.hosted for part in ("link", "ipfs")]
        return [
            *self.plan.once,
            *pods,
            *(f"peer-{name}" for name in self.plan.hosted if name not in late),
        ]

    @property
    def began(self) -> SessionBegan:
        entries = roster_entries(self.members)
        return SessionBegan(VERSION, "compose", resolved(self.session), entries, self.manifest)


@contextmanager
def alone(folder: Path = FOLDER) -> Iterator[None]:
    """One session of a checkout at a time; a killed one holds nobody up.  Raises InputError."""
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "swarm.lock").open("w") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except OSError:
            raise InputError(
                "a swarm of this checkout is running already: wait for it, or stop it with Ctrl-C where it was started"
            ) from None
        yield


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
    found = (("prometheus", engine.PROMETHEUS), ("grafana", engine.GRAFANA))
    return tuple(name for name, image in found if engine.present(image))


def prepare(
    session: Session,
    say: Say,
    invited: Invited = ALL_HERE,
    foreign: ForeignChain | None = None,
    folder: Path = FOLDER,
) -> Swarm:
    """Clear away what a killed session left, build what has changed, write build/swarm.  Raises InputError."""
    left = remove(folder)
    if left:
        say(f"Removed {left} containers that an earlier session had left.")
    engine.build(project(REPOSITORY))
    watching = profiles()
    made = engine.stand_ins()
    if made:
        say(f"Stand-ins for images that could not be pulled: {', '.join(made)}.")
    if "grafana" not in watching:
        say("Without Grafana: its image is not here, and it has no stand-in.")
    plan = planned(session, watching, invited, foreign is not None)
    members = render(session, plan, folder, foreign.foreign.rpc if foreign else None)
    manifest = _manifest(session, folder, plan.names[0])
    return Swarm(session, plan, members, folder, manifest, Guests(plan, folder, manifest), foreign)


async def live(swarm: Swarm, board: Board, run: Path, say: Say) -> str:
    """Until every peer has left by itself, or the caller is cancelled; what ended it.  ``run`` then holds all of it."""
    plan, containers = swarm.plan, swarm.containers
    board.add(Record(0.0, SWARM, swarm.began))
    ended_by, codes = "interrupted", dict[str, int]()
    chaos = _chaos(swarm, board, run / audit.FAULTS, say) if swarm.session.faults else None
    if chaos:
        await asyncio.to_thread(containers.up, f"link-{plan.names[0]}")
        await chaos.possible()
    try:
        await asyncio.to_thread(containers.up, *swarm.from_the_start)
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(follow(plan.api(name), board)) for name in plan.hosted]
            if chaos:
                following += [group.create_task(chaos.run()), group.create_task(windows.told(board, swarm.folder))]
            try:
                async with asyncio.timeout(swarm.session.max_duration + MARGIN):
                    codes = await _lives(swarm, chaos)
                    await swarm.guests.gone()
                ended_by = "quiet"
            except TimeoutError:
                ended_by = "max_duration"
            for task in following:
                task.cancel()
    finally:
        await _collect(swarm, run, say)
    for service, code in codes.items():
        if code:
            say(f"{service} ended with {code}: {_last_words(containers, service)}")
    return ended_by


def remove(folder: Path = FOLDER) -> int:
    """Everything of this checkout's swarm; how many containers there were."""
    return engine.Swarm(project(REPOSITORY), folder).down()


def _chaos(swarm: Swarm, board: Board, file: Path, say: Say) -> ComposeChaos:
    plan, session = swarm.plan, swarm.session
    return ComposeChaos(
        faults.plan(session.faults, plan.names, session.seed),
        frozenset(each.name for each in swarm.members if not each.traits.joins_at),
        Clock(swarm.second_zero),
        plan.block_time,
        LinkAgents(plan, swarm.folder),
        Lives(plan.project, swarm.folder / "chain"),
        board,
        file,
        say,
    )


async def _lives(swarm: Swarm, chaos: ComposeChaos | None) -> dict[str, int]:
    """Exit codes of all peers; those that join later are started when their time comes."""
    early = [f"peer-{each.name}" for each in swarm.pods if not each.traits.joins_at]
    late = [each for each in swarm.pods if each.traits.joins_at]
    ended = await asyncio.gather(_ended(swarm, chaos, early), *(_later(swarm, chaos, each) for each in late))
    return {service: code for codes in ended for service, code in codes.items()}


async def _later(swarm: Swarm, chaos: ComposeChaos | None, member: Member) -> dict[str, int]:
    service = f"peer-{member.name}"
    await asyncio.sleep(swarm.second_zero + member.traits.joins_at - time.time())
    await asyncio.to_thread(swarm.containers.up, service)
    return await _ended(swarm, chaos, [service])


async def _ended(swarm: Swarm, chaos: ComposeChaos | None, services: list[str]) -> dict[str, int]:
    """Whom chaos takes away has not ended."""
    while True:
        codes = await swarm.containers.ended(services)
        if not (chaos and await chaos.brought_back(services)):
            return codes


async def _collect(swarm: Swarm, run: Path, say: Say) -> None:
    """Journals, roster, session and the chain's export.  Peers that still run are stopped first."""
    with suppress(InputError):
        await asyncio.to_thread(swarm.containers.compose, "stop", *(f"peer-{name}" for name in swarm.plan.hosted))
    (run / audit.JOURNALS).mkdir(parents=True, exist_ok=True)
    for name in (audit.SESSION, audit.ROSTER):
        shutil.copyfile(swarm.folder / name, run / name)
    for name in swarm.plan.names:
        for file in (f"{name}.sqlite", f"{name}.sqlite-wal"):  # the second only where a peer was killed
            with suppress(FileNotFoundError):
                shutil.copyfile(swarm.folder / "journals" / name / file, run / audit.JOURNALS / file)
    try:
        await audit.fetch_chain(run, swarm.foreign.foreign.rpc if swarm.foreign else swarm.plan.outer_rpc)
    except InputError as error:
        say(f"The chain is missing from the run: {error}")


def _last_words(containers: engine.Swarm, service: str) -> str:
    told = containers.compose("logs", "--no-log-prefix", "--tail", "1", service).strip()
    return told or "it said nothing"


def _manifest(session: Session, folder: Path, first: str) -> Cid:
    initial = folder / "pods" / first / "peer" / INITIAL / f"{first}.safetensors"
    from learnae.drivers.own import OwnLearning

    features = OwnLearning(session, folder / "pods" / first / "peer").features
    return cid_of(manifest(session, cid_of(initial.read_bytes()), features))
