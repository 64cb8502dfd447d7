"""The containers of a checkout: starts, lists, awaits and removes them."""

import asyncio
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import IO

from learnae.backends.compose.docker_cli import TIMEOUT, docker, end, run
from learnae.backends.pods.plan import JOIN_FILES, REPOSITORIES
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.file_lock import try_lock, wait_for_lock
from learnae.session.environment import docker_environment

ROUNDS = 5  # of removing containers, until it gives up
AWAY = 60.0  # s for which the engine may be unreachable during a session
LOOK = 0.2  # s between two looks
ALIVE = ("running", "paused", "restarting")
LABEL = "com.docker.compose"
RESTARTS = f'{{{{index .Config.Labels "{LABEL}.service"}}}}\t{{{{.RestartCount}}}}'
SECONDS_UP = re.compile(r"Up (?:(\d+) seconds?|Less than a second)")
LONGER_UP = re.compile(r"Up (?:About an?|\d+) (?:minute|hour|day|week|month|year)s?")
LONG = 60.0  # s: Docker's text gives a longer time in minutes
LISTING = f'{{{{.Label "{LABEL}.service"}}}}\t{{{{.State}}}}\t{{{{.Status}}}}'


@dataclass(frozen=True)
class Container:
    """``state``: running, paused, exited ...  ``status``: Docker's text, such as Exited (0) 2 hours ago."""

    service: str
    state: str
    status: str

    @property
    def alive(self) -> bool:
        return self.state in ALIVE

    @property
    def code(self) -> int:
        """Exit code."""
        match = re.match(r"Exited \((\d+)\)", self.status)
        return int(match[1]) if match else 0

    def may_have_started_within(self, seconds: float) -> bool:
        """False only if Docker's text says that it has run for longer."""
        if match := SECONDS_UP.match(self.status):
            return int(match[1] or 0) <= seconds
        return seconds >= LONG or not LONGER_UP.match(self.status)


@dataclass(frozen=True)
class Containers:
    """The containers of one checkout."""

    project: str
    folder: Path  # build/swarm

    def compose(self, *arguments: str, shown: bool = False) -> str:
        """Run docker compose on this swarm.  Without its files, `down` still works."""
        return docker("compose", *self.files, *arguments, shown=shown)

    async def up(self, *services: str) -> None:
        """Start services, one call at a time.  When cancelled, it stops starting them."""
        with self._up_lock() as lock:
            while not try_lock(lock):  # noqa: ASYNC110 - another process holds it, which is no event here
                await asyncio.sleep(LOOK)
            lock.truncate(0)
            await run(
                "docker", "compose", *self.files, "--progress", "quiet", "up", "-d", "--no-build", *services, lock=lock
            )
            lock.truncate(0)  # the process id may be reused from now on

    def down(self) -> int:
        """Remove every container, network and volume; how many containers there were.  Raises InputError.

        A command that still starts containers is ended first: it outlives a session that is killed.  Removing is
        repeated until none is left, since containers that were requested may still appear.
        """
        with self._up_lock() as lock:
            if not try_lock(lock):
                lock.seek(0)
                with suppress(ValueError):  # the id is not written yet
                    end(int(lock.read()), signal.SIGTERM)
                wait_for_lock(lock)
            lock.truncate(0)
            removed = self._remove()
        shutil.rmtree(self.folder / JOIN_FILES, ignore_errors=True)  # of a session that was killed
        with suppress(RecursionError):  # a pod nested its folders; rendering names them
            shutil.rmtree(self.folder / REPOSITORIES, ignore_errors=True)  # the volumes of the IPFS nodes
        return removed

    def _up_lock(self) -> IO[str]:
        self.folder.parent.mkdir(exist_ok=True)
        return (self.folder.parent / "up.lock").open("a+", encoding="utf-8")

    def _remove(self) -> int:
        """A busy engine may fail to answer or to remove; each round tries again."""
        count, reason = 0, "see docker ps"
        for _ in range(ROUNDS):
            left: int | None = None
            try:
                left = len(self.containers())
                count = max(count, left)
            except InputError as error:
                reason = str(error)
            with suppress(InputError):
                self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
            with suppress(InputError):
                for network in self.networks():
                    with suppress(InputError):
                        docker("network", "rm", network)
            if left == 0:
                return count
        raise InputError(f"Docker does not remove the containers of {self.project} ({reason}): restart Docker")

    def networks(self) -> list[str]:
        return docker("network", "ls", *self._filter, "--format", "{{.Name}}", timeout=TIMEOUT).split()

    def containers(self) -> list[Container]:
        """All containers, including those that have ended."""
        lines = docker("ps", "--all", *self._filter, "--format", LISTING, timeout=TIMEOUT).splitlines()
        return [Container(*line.split("\t")) for line in lines]

    def finished_peers(self, names: Iterable[str]) -> list[str]:
        """Those of the peers whose programs have ended well; none if the engine does not say."""
        try:
            listed = self.containers()
        except InputError:
            return []
        ended = {container.service for container in listed if container.state == "exited" and container.code == 0}
        return [name for name in names if f"peer-{name}" in ended]

    def kill(self, services: Iterable[str]) -> None:
        """Kill these containers, which Docker then does not restart.  Raises InputError: some did not run."""
        docker("kill", *(f"{self.project}-{service}-1" for service in services), timeout=TIMEOUT)

    def restarts(self, services: Iterable[str]) -> dict[str, int]:
        """How often Docker has restarted these containers because they had failed; faults do not count."""
        names = [f"{self.project}-{service}-1" for service in services]
        lines = docker("inspect", "--format", RESTARTS, *names, timeout=TIMEOUT).splitlines() if names else []
        return {service: int(count) for service, count in (line.split("\t") for line in lines)}

    async def wait(self, services: Sequence[str]) -> dict[str, int]:
        """Wait until these containers have ended; their exit codes.  Raises InputError: the engine is gone.

        `docker wait` also returns when the engine restarts, so the states are checked afterwards.
        """
        names = [f"{self.project}-{service}-1" for service in services]
        silent_from = None
        while True:
            with suppress(InputError):
                await run("docker", "wait", *names)
            try:
                listed = await asyncio.to_thread(self.containers)
            except InputError:
                silent_from = silent_from or time.monotonic()
                if time.monotonic() > silent_from + AWAY:
                    raise
            else:
                silent_from = None
                awaited = [container for container in listed if container.service in services]
                if not any(container.alive for container in awaited):
                    return {container.service: container.code for container in awaited}
            await asyncio.sleep(LOOK)

    def last_line(self, service: str) -> str:
        """The last line of its log, from either stream."""
        command = ["docker", "logs", "--tail", "9", f"{self.project}-{service}-1"]
        try:
            logs = subprocess.run(
                command,
                env=docker_environment(),
                stdout=PIPE,
                stderr=STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired:
            return "its log cannot be read"
        return next(reversed(logs.stdout.strip().splitlines()), "its log is empty")

    @property
    def files(self) -> list[str]:
        """The arguments of `docker compose` that select this swarm."""
        settings = self.folder / "swarm.env"
        if not settings.is_file():
            return ["-p", self.project]
        files = ["-f", str(REPOSITORY / "docker-compose.yml"), "-f", str(self.folder / "pods.yml")]
        return ["-p", self.project, "--project-directory", str(REPOSITORY), "--env-file", str(settings), *files]

    @property
    def _filter(self) -> list[str]:
        return ["--filter", f"label={LABEL}.project={self.project}"]
