"""What the commands about a swarm on containers do."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from learnae.adapters.run_directory import HISTORY, RunDirectory, environment_facts, sha256_of
from learnae.backends import live_run
from learnae.backends.compose import capacity, engine, prepare
from learnae.backends.compose import session as sessions
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.funding import stakes
from learnae.backends.compose.images import CHAIN, IPFS, PEER, build, built
from learnae.backends.compose.plan import (
    ALL_HERE,
    GRAFANA,
    HOST,
    PROMETHEUS,
    RemotePeerOptions,
    pods,
    project,
    settings,
)
from learnae.backends.compose.render import FOLDER
from learnae.backends.external_chain.chain import ExternalChain
from learnae.checkout import REPOSITORY
from learnae.cli.commands import INTERRUPTED, REPORT, conclude, picture, say, tell
from learnae.cli.standing import told
from learnae.errors import InputError
from learnae.records.history import SWARM, Evaluated, Record, SessionEnded
from learnae.records.outcome import EndedBy
from learnae.session.environment import RPC, external_chain_settings
from learnae.session.session_file import load
from learnae.session.settings import Session
from learnae.web.api.guard import Guard
from learnae.web.api.server import listen, serving, url
from learnae.web.api.swarm_app import swarm_app
from learnae.web.event_log import EventLog


def swarm(session: Session, out: Path | None, port: int, keep: bool, invited: RemotePeerOptions = ALL_HERE) -> int:
    """``keep``: everything stays up until Ctrl-C, to be looked at."""
    directory, found = played(session, out, port, keep, invited)
    return INTERRUPTED if found is None else tell(directory, found)


def played(
    session: Session, out: Path | None, port: int, keep: bool, invited: RemotePeerOptions = ALL_HERE
) -> tuple[RunDirectory, dict[str, Any] | None]:
    """Its verdict; None if it was interrupted before there was anything to judge."""
    _engine()
    if invited.guests and session.faults:
        raise InputError("nothing can be done to guests, who run elsewhere: leave out --guests or the faults")
    chain = _foreign(session, invited)
    session = chain.session if chain else session
    with sessions.alone(say):
        capacity.check(session.peers - invited.guests)
        shown = ContainerSession(session, invited, chain, RunDirectory.create(Path("runs"), session.name, out))
        failure, interrupted = None, False
        try:
            asyncio.run(shown.run(port, keep))
        except KeyboardInterrupt:
            interrupted = shown.found is None
        except InputError as error:
            failure = error
        finally:
            with _undisturbed():
                removed = sessions.remove()
                if removed:
                    say(f"Removed {removed} containers and their network.")
                with suppress(OSError):
                    shown.directory.path.rmdir()  # if nothing came of it
        if not shown.collected:
            if interrupted:
                say("Interrupted before there was anything to judge.")
            found = None
        else:
            found = shown.found or shown.judge(interrupted)
        if failure:
            if found:
                conclude(shown.directory, found)
            raise failure
        return shown.directory, found


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is removed is removed to its end: whoever presses Ctrl-C meanwhile is told to wait."""

    def wait(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGHUP:  # after which there is nobody to tell
            say("Containers are being removed: this takes some seconds more.")

    before = {number: signal.signal(number, wait) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _foreign(session: Session, invited: RemotePeerOptions) -> ExternalChain | None:
    """The chain that the environment names, looked at; None: the swarm has its own.  Raises InputError."""
    found = external_chain_settings()
    if found is None:
        return None
    if invited.guests:
        raise InputError(f"--guests: a join file would hold the URL in {RPC}, which is a secret: leave one of them out")
    return asyncio.run(ExternalChain.of(found, session).fitted(say))


def wait(session: Session) -> str:
    """What to expect, on 2 cores."""
    first = "" if built(project(REPOSITORY)) else " Images are built first, which takes minutes."
    return f"Expect about {20 + session.linger + 5 * session.peers:.0f} s.{first}"


def render(path: Path, overrides: dict[str, Any]) -> int:
    _engine()
    plan = prepare.planned(load(path, overrides), prepare.profiles(), foreign=external_chain_settings() is not None)
    print(f"# build/swarm/swarm.env\n{settings(plan)}\n# build/swarm/pods.yml\n{pods(plan)}", end="")
    return 0


def images() -> int:
    _engine()
    name = project(REPOSITORY)
    asyncio.run(build(name))
    say(f"Built {', '.join(f'{name}-{image}' for image in (PEER, IPFS, CHAIN))}")
    return 0


def status() -> int:
    found = sorted(_containers().containers(), key=lambda each: each.service)
    for each in found:
        say(f"{each.service:<12} {each.state:<8} {each.status}")
    running = sum(each.state == "running" for each in found)
    say(f"{running} of {len(found)} containers run." if found else "No swarm of this checkout is up.")
    return 0


def logs(name: str) -> int:
    containers = _containers()
    services = [each.service for each in containers.containers()]
    wanted = [each for each in services if each == name or _pod_of(each) in (name, f"p{name:0>2}", f"p{name:0>3}")]
    if not wanted:
        raise InputError(f"there is no container of {name}: see make status")
    containers.compose("logs", *wanted, shown=True)
    return 0


def down() -> int:
    containers = _containers()
    with _undisturbed():
        removed = containers.down()
    say(f"Removed {removed} containers with their network and volumes." if removed else "There was nothing to remove.")
    if stuck := containers.networks():
        raise InputError(f"the engine believes that {', '.join(stuck)} is in use: restart it, then make down again")
    return 0


def _engine() -> None:
    reason = engine.lacking()
    if reason:
        raise InputError(reason)


def _containers() -> Containers:
    _engine()
    return Containers(project(REPOSITORY), FOLDER)


def _pod_of(service: str) -> str:
    return service.partition("-")[2]


class ContainerSession:
    """A session that somebody watches.  ``found``: its verdict, when it is over."""

    def __init__(
        self, session: Session, invited: RemotePeerOptions, chain: ExternalChain | None, directory: RunDirectory
    ) -> None:
        self.session, self.invited, self.chain, self.directory = session, invited, chain, directory
        self.board = EventLog()
        self.found: dict[str, Any] | None = None
        self._began = time.monotonic()

    @property
    def collected(self) -> bool:
        return (self.directory.path / live_run.ROSTER).is_file()

    async def run(self, port: int, keep: bool) -> None:
        apis: dict[str, str] = {}  # known once it is planned
        app = swarm_app(self.board, Guard(None), verdict=lambda: self.found, report=self._report, apis=lambda: apis)
        sock = listen(HOST, port)
        async with serving(app, sock), told(self.board, self.session.peers - self.invited.guests):
            say(f"Live page: {url(sock)}/")
            swarm = await prepare.prepare(self.session, say, self.invited, self.chain)
            plan = swarm.plan
            apis |= {name: plan.api(name) for name in plan.hosted}
            say(f"Peers: {plan.api(plan.hosted[0])}/v1/status to {plan.api(plan.hosted[-1])}/v1/status")
            if "prometheus" in plan.profiles:
                say(f"Prometheus: http://{HOST}:{plan.port(PROMETHEUS)}/")
            if "grafana" in plan.profiles:
                say(f"Grafana: http://{HOST}:{plan.port(GRAFANA)}/")
            async with swarm.guests.received(say), stakes(swarm, self.directory.path, say):
                await sessions.live(swarm, self.board, self.directory.path, say)
            for line in swarm.guests.missing():
                say(line)
            self.found = await asyncio.to_thread(self.judge)
            for record in self.directory.read().of(Evaluated, SessionEnded):  # no peer tells of these
                self.board.add(record)
            self.board.close()
            if keep:
                say(f"Over, and kept: {url(sock)}/ until Ctrl-C.")
                await asyncio.Event().wait()

    def judge(self, interrupted: bool = False) -> dict[str, Any]:
        """From what was collected alone, as ``learnae audit`` would."""
        notice = live_run.retell(self.directory.path)
        if interrupted and self.directory.read().ended_by is None:
            end = Record(self.board.records[-1].t, SWARM, SessionEnded(EndedBy.INTERRUPTED))
            with (self.directory.path / HISTORY).open("a") as file:
                file.write(end.line() + "\n")
        if notice:
            say(notice)
        from learnae.learn.datasets.sources import source_file  # imports torch

        data = sha256_of(source_file(self.session.data))
        self.directory.write_json("environment.json", environment_facts() | {"data_sha256": data})
        history = self.directory.read()
        found = self.directory.judge(history, time.monotonic() - self._began)
        picture(self.directory, history, found)
        return found

    def _report(self) -> Path | None:
        path = self.directory.path / REPORT
        return path if path.is_file() else None
