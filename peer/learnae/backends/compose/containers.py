"""The containers of a checkout: brought up, listed, waited for, removed."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import IO

from learnae.backends.compose.docker_cli import PATIENCE, docker, end, ran
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.file_lock import try_lock, wait_for_lock
from learnae.session.environment import docker_environment

ROUNDS = 5  # until it is given up to remove what keeps coming
AWAY = 60.0  # s that the engine may be away in the middle of a session
AGAIN = 0.2  # s until it is looked again
ALIVE = ("running", "paused", "restarting")
LABEL = "com.docker.compose"
LISTING = f'{{{{.Label "{LABEL}.service"}}}}\t{{{{.State}}}}\t{{{{.Status}}}}'


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
class Containers:
    """The containers of one checkout."""

    project: str
    folder: Path  # build/swarm

    def compose(self, *arguments: str, shown: bool = False) -> str:
        """With its files if they are there; `down` does without."""
        return docker("compose", *self.files, *arguments, shown=shown)

    async def up(self, *services: str) -> None:
        """One after another; what is still coming up when this is cancelled is not."""
        with self._coming_up() as lock:
            while not try_lock(lock):  # noqa: ASYNC110 - what another process does is no event here
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
            if not try_lock(lock):
                lock.seek(0)
                with suppress(ValueError):  # it has not said who it is
                    end(int(lock.read()), signal.SIGTERM)
                wait_for_lock(lock)
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
                command,
                env=docker_environment(),
                stdout=PIPE,
                stderr=STDOUT,
                text=True,
                errors="replace",
                timeout=PATIENCE,
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
