"""Docker, through its own command: what Compose does has no other interface.  Every failure is an InputError.

Each command is in a session of its own: Ctrl-C reaches us alone, and who runs a command ends it with all it started.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import IO

from learnae.config import REPOSITORY, outside, tls_bundle
from learnae.errors import InputError

STAND_IN = "org.learnae.stand-in"
PEER, IPFS, CHAIN = "peer", "ipfs", "chain"  # our images: <project>-peer ...
PROMETHEUS, GRAFANA = "prom/prometheus:v2.53.5", "grafana/grafana:11.6.0"
NEEDED = ("debian:trixie-slim", "ipfs/kubo:v0.43.0", "ghcr.io/foundry-rs/foundry:v1.7.1")
BASE = (*NEEDED, PROMETHEUS, GRAFANA)
OLDEST = (2, 20)  # Compose; what is older nobody has tried
ROUNDS = 5  # until it is given up to remove what keeps coming
PATIENCE = 15.0  # s that the engine gets for an answer
ENDS = 10.0  # s that a command gets to end
AWAY = 60.0  # s that the engine may be away in the middle of a session
AGAIN = 0.2  # s until it is looked again
ALIVE = ("running", "paused", "restarting")
LABEL = "com.docker.compose"
LISTING = f'{{{{.Label "{LABEL}.service"}}}}\t{{{{.State}}}}\t{{{{.Status}}}}'


def lacking() -> str | None:
    """One sentence: why there can be no containers here; None if there can."""
    if shutil.which("docker") is None:
        return "docker is not installed: install Docker, or on a bare Debian run .ci/engine.sh"
    try:
        version()
    except InputError as error:
        return f"no Docker engine answers ({error}): start it, or on a bare Debian run .ci/engine.sh"
    for plugin in ("compose", "buildx"):
        try:
            docker(plugin, "version", timeout=PATIENCE)
        except InputError:
            return f"docker {plugin} is missing: install Docker's {plugin} plugin, or on Debian run .ci/engine.sh"
    found = compose_version()
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"Docker's Compose is {found}, and {oldest} is the oldest that will do: install a newer compose plugin"
    return None


def version() -> str:
    """The engine's.  Raises InputError: it does not answer.

    `docker info` ends well without an engine, and some commands say nothing and end well, too.
    """
    told = docker("version", "--format", "{{.Server.Version}}", timeout=PATIENCE).strip()
    if not told:
        raise InputError("it does not say its version")
    return told


def compose_version() -> str:
    return docker("compose", "version", "--short", timeout=PATIENCE).strip()


def docker(*arguments: str, timeout: float | None = None, shown: bool = False) -> str:
    """Its standard output; ``shown``: that goes where ours does.  InputError: the last line that it complained with."""
    told = None if shown else PIPE
    try:
        with subprocess.Popen(
            ["docker", *arguments],
            cwd=REPOSITORY,
            env=outside(),
            text=True,
            stdin=DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        ) as process:
            try:
                said, complaint = process.communicate(timeout=timeout)
            except BaseException:
                _end(process.pid, signal.SIGKILL)
                raise
    except subprocess.TimeoutExpired:
        raise InputError(f"docker {arguments[0]} did not end in {timeout:g} s") from None
    except OSError as error:
        raise InputError(f"docker cannot be run: {error.strerror}") from None
    _check(process.returncode, complaint or "", f"docker {arguments[0]}")
    return said or ""


async def ran(*command: str, shown: bool = False, lock: IO[str] | None = None) -> None:
    """A command to its end; if this is cancelled, it is ended.  Raises InputError as ``docker`` does.

    ``lock``: a file that is locked as long as it runs, even if this process is killed, and names it: see ``down``.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env=outside(),
            pass_fds=(lock.fileno(),) if lock else (),
            stdin=DEVNULL,
            stdout=None if shown else DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)  # what is just starting must be ended, too
        if lock:
            print(process.pid, file=lock, flush=True)
        _, complaint = await process.communicate()
    except OSError as error:
        raise InputError(f"{command[0]} cannot be run: {error.strerror}") from None
    finally:
        with suppress(OSError):
            await _ended(await starting)
    _check(process.returncode, complaint.decode(errors="replace"), " ".join(command[:2]))


async def _ended(process: Process) -> None:
    if process.returncode is None:
        _end(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), ENDS)
        _end(process.pid, signal.SIGKILL)


def _end(leader: int, number: signal.Signals) -> None:
    """A command and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def _check(code: int | None, complaint: str, what: str) -> None:
    if code:
        complaints = [line for line in complaint.splitlines() if line.strip()]
        raise InputError(complaints[-1] if complaints else f"{what} ended with {code}")


@dataclass(frozen=True)
class Container:
    """``state``: running, paused, exited ...  ``status``: what Docker tells people, such as Exited (0) 2 hours ago."""

    service: str
    state: str
    status: str

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def code(self) -> int:
        """What it ended with."""
        found = re.match(r"Exited \((\d+)\)", self.status)
        return int(found[1]) if found else 0


@dataclass(frozen=True)
class Swarm:
    """The containers of one checkout."""

    project: str
    folder: Path  # build/swarm

    def compose(self, *arguments: str, shown: bool = False) -> str:
        """With its files if they are there; `down` does without."""
        return docker("compose", *self.files, *arguments, shown=shown)

    async def up(self, *services: str) -> None:
        """One after another; what is still coming up when this is cancelled is not."""
        with self._coming_up() as lock:
            while not locked(lock):  # noqa: ASYNC110 - what another process does is no event here
                await asyncio.sleep(AGAIN)
            lock.truncate(0)
            await ran(
                "docker", "compose", *self.files, "--progress", "quiet", "up", "-d", "--no-build", *services, lock=lock
            )
            lock.truncate(0)  # its number may be another's from now on

    def down(self) -> int:
        """Remove every container, network and volume; how many containers there were.  Raises InputError.

        First of all what is still bringing some up is ended: it outlives a session that is killed.  Then again and
        again while there are some: what was asked for may still come.
        """
        with self._coming_up() as lock:
            if not locked(lock):
                lock.seek(0)
                with suppress(ValueError):  # it has not said who it is
                    _end(int(lock.read()), signal.SIGTERM)
                flock(lock, LOCK_EX)
            lock.truncate(0)
            return self._removed()

    def _coming_up(self) -> IO[str]:
        self.folder.parent.mkdir(exist_ok=True)
        return (self.folder.parent / "up.lock").open("a+")

    def _removed(self) -> int:
        """What a busy engine does not answer or believes to be in use is asked for again in the next round."""
        count, why = 0, "see docker ps"
        for _ in range(ROUNDS):
            found: int | None = None
            try:
                found = len(self.containers())
                count = max(count, found)
            except InputError as error:
                why = str(error)
            with suppress(InputError):
                self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
            with suppress(InputError):
                for network in self.networks():
                    with suppress(InputError):
                        docker("network", "rm", network)
            if found == 0:
                return count
        raise InputError(f"Docker does not remove the containers of {self.project} ({why}): restart the engine")

    def networks(self) -> list[str]:
        return docker("network", "ls", *self._ours, "--format", "{{.Name}}", timeout=PATIENCE).split()

    def containers(self) -> list[Container]:
        """All of them, also those that have ended."""
        lines = docker("ps", "--all", *self._ours, "--format", LISTING, timeout=PATIENCE).splitlines()
        return [Container(*line.split("\t")) for line in lines]

    async def ended(self, services: Sequence[str]) -> dict[str, int]:
        """Waits for these containers; their exit codes.  Raises InputError: the engine does not answer any more.

        `docker wait` also ends when the engine is restarted: so whether they have is looked up.
        """
        names = [f"{self.project}-{service}-1" for service in services]
        silent_from = None
        while True:
            with suppress(InputError):
                await ran("docker", "wait", *names)
            try:
                found = {each.service: each for each in await asyncio.to_thread(self.containers)}
            except InputError:
                silent_from = silent_from or time.monotonic()
                if time.monotonic() > silent_from + AWAY:
                    raise
            else:
                silent_from = None
                ours = [found[service] for service in services if service in found]
                if not any(each.alive for each in ours):
                    return {each.service: each.code for each in ours}
            await asyncio.sleep(AGAIN)

    def last_words(self, service: str) -> str:
        """Whether it said them on standard output or not."""
        command = ["docker", "logs", "--tail", "9", f"{self.project}-{service}-1"]
        try:
            told = subprocess.run(
                command, env=outside(), stdout=PIPE, stderr=STDOUT, text=True, errors="replace", timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            return "what it said cannot be read"
        return next(reversed(told.stdout.strip().splitlines()), "it said nothing")

    @property
    def files(self) -> list[str]:
        """Arguments of `docker compose` that name this swarm."""
        settings = self.folder / "swarm.env"
        if not settings.is_file():
            return ["-p", self.project]
        files = ["-f", str(REPOSITORY / "docker-compose.yml"), "-f", str(self.folder / "pods.yml")]
        return ["-p", self.project, "--project-directory", str(REPOSITORY), "--env-file", str(settings), *files]

    @property
    def _ours(self) -> list[str]:
        return ["--filter", f"label={LABEL}.project={self.project}"]


def built(project: str) -> bool:
    return all(present(f"{project}-{image}") for image in (PEER, IPFS, CHAIN))


async def build(project: str) -> None:
    """Our images, and what they are built on; seconds where nothing has changed.  Cancelled, it stops building."""
    if not await asyncio.to_thread(lambda: all(map(present, NEEDED))):
        await ran(str(REPOSITORY / ".ci" / "base-images.sh"), shown=True)
    bundle = tls_bundle()
    secret = ["--secret", f"id=ca,src={bundle}"] if bundle else []
    for image, context, options in ((PEER, ".", secret), (IPFS, "ipfs", []), (CHAIN, "chain", [])):
        file = ["-f", str(REPOSITORY / image / "Dockerfile")]
        tag = ["-t", f"{project}-{image}"]
        await ran("docker", "buildx", "build", "--quiet", "--load", *tag, *file, *options, str(REPOSITORY / context))


def present(image: str) -> bool:
    try:
        docker("image", "inspect", "--format", "{{.Id}}", image, timeout=PATIENCE)
    except InputError:
        return False
    return True


def stand_ins() -> list[str]:
    """Which of the base images that are here were not pulled but made (`make base-images`)."""
    listed = docker("images", "--filter", f"label={STAND_IN}=true", "--format", "{{.Repository}}:{{.Tag}}")
    return [image for image in BASE if image in listed.split()]


def locked(file: IO[str]) -> bool:
    """By this process, from now on; False: by another."""
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except OSError:
        return False
    return True
