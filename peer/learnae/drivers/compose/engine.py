"""Docker, through its own command: what Compose does has no other interface.  Every failure is an InputError."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from subprocess import PIPE
from typing import IO, Any

from learnae.config import REPOSITORY, tls_bundle
from learnae.errors import InputError

STAND_IN = "org.learnae.stand-in"
PEER, IPFS, CHAIN = "peer", "ipfs", "chain"  # our images: <project>-peer ...
PROMETHEUS, GRAFANA = "prom/prometheus:v2.53.5", "grafana/grafana:11.6.0"
NEEDED = ("debian:trixie-slim", "ipfs/kubo:v0.43.0", "ghcr.io/foundry-rs/foundry:v1.7.1")
BASE = (*NEEDED, PROMETHEUS, GRAFANA)
ROUNDS = 5  # until it is given up to remove what keeps coming
PATIENCE = 15.0  # s that the engine gets for an answer


def lacking() -> str | None:
    """One sentence: why there can be no containers here; None if there can."""
    if shutil.which("docker") is None:
        return "docker is not installed: install Docker, or on a bare Debian run .ci/engine.sh"
    try:
        docker("info", "--format", "{{.ServerVersion}}", timeout=PATIENCE)
    except InputError as error:
        return f"no Docker engine answers ({error}): start it, or on a bare Debian run .ci/engine.sh"
    for plugin in ("compose", "buildx"):
        try:
            docker(plugin, "version", timeout=PATIENCE)
        except InputError:
            return f"docker {plugin} is missing: install Docker's {plugin} plugin, or on Debian run .ci/engine.sh"
    return None


def docker(*arguments: str, timeout: float | None = None, lock: IO[str] | None = None) -> str:
    """Its standard output.  Raises InputError with the last line that it complained with.

    ``lock``: a file that is locked as long as it runs, even if this process is killed, and names it: see ``down``.
    """
    held = (lock.fileno(),) if lock else ()
    try:
        with subprocess.Popen(
            ["docker", *arguments], cwd=REPOSITORY, text=True, pass_fds=held, stdout=PIPE, stderr=PIPE
        ) as process:
            try:
                if lock:
                    print(process.pid, file=lock, flush=True)
                told, complaint = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
    except subprocess.TimeoutExpired:
        raise InputError(f"docker {arguments[0]} did not end in {timeout:g} s") from None
    except OSError as error:
        raise InputError(f"docker cannot be run: {error.strerror}") from None
    if process.returncode:
        complaints = [line for line in complaint.splitlines() if line.strip()]
        raise InputError(complaints[-1] if complaints else f"docker {arguments[0]} ended with {process.returncode}")
    return told


@dataclass(frozen=True)
class Swarm:
    """The containers of one checkout."""

    project: str
    folder: Path  # build/swarm

    def compose(self, *arguments: str, lock: IO[str] | None = None) -> str:
        """With its files if they are there; `down` and `ps` do without."""
        return docker("compose", *self.files, *arguments, lock=lock)

    def up(self, *services: str) -> None:
        with self._coming_up() as lock:
            flock(lock, LOCK_EX)
            lock.truncate(0)
            self.compose("--progress", "quiet", "up", "-d", "--no-build", *services, lock=lock)

    def down(self) -> int:
        """Remove every container, network and volume; how many containers there were.  Raises InputError.

        First of all what is still bringing some up is ended: it outlives a session that is killed.  Then again and
        again while there are some: what was asked for may still come.
        """
        with self._coming_up() as lock:
            if not locked(lock):
                lock.seek(0)
                with suppress(ValueError, ProcessLookupError):  # it has not said who it is; it is gone
                    os.kill(int(lock.read()), signal.SIGTERM)
                flock(lock, LOCK_EX)
            return self._removed()

    def _coming_up(self) -> IO[str]:
        self.folder.parent.mkdir(exist_ok=True)
        return (self.folder.parent / "up.lock").open("a+")

    def _removed(self) -> int:
        count = 0
        for _ in range(ROUNDS):
            found = len(self.containers())
            count = max(count, found)
            with suppress(InputError):  # a network that a busy engine believes to be in use: see ``networks``
                self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")
            for network in self.networks():
                with suppress(InputError):
                    docker("network", "rm", network)
            if not found:
                return count
        raise InputError(f"Docker does not remove the containers of {self.project}: see docker ps, restart the engine")

    def networks(self) -> list[str]:
        label = f"label=com.docker.compose.project={self.project}"
        return docker("network", "ls", "--filter", label, "--format", "{{.Name}}", timeout=PATIENCE).split()

    def containers(self) -> list[dict[str, Any]]:
        """All of them, also those that have ended: Service, State, ExitCode, Status ..."""
        lines = docker("compose", "-p", self.project, "ps", "--all", "--format", "json", timeout=PATIENCE)
        return [json.loads(line) for line in lines.splitlines() if line.strip()]

    async def ended(self, services: Sequence[str]) -> dict[str, int]:
        """Waits for these containers; their exit codes."""
        names = [f"{self.project}-{service}-1" for service in services]
        process = await asyncio.create_subprocess_exec(
            "docker", "wait", *names, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        codes = {each["Service"]: int(each["ExitCode"]) for each in self.containers() if each["State"] != "running"}
        return {service: codes[service] for service in services if service in codes}

    @property
    def files(self) -> list[str]:
        """Arguments of `docker compose` that name this swarm."""
        settings = self.folder / "swarm.env"
        if settings.is_file():
            return ["--project-directory", str(REPOSITORY), "--env-file", str(settings)]
        return ["-p", self.project]


def built(project: str) -> bool:
    return all(present(f"{project}-{image}") for image in (PEER, IPFS, CHAIN))


def build(project: str) -> None:
    """Our images, and what they are built on; seconds where nothing has changed."""
    if not all(present(image) for image in NEEDED):
        subprocess.run([str(REPOSITORY / ".ci" / "base-images.sh")], check=False)
    bundle = tls_bundle()
    secret = ["--secret", f"id=ca,src={bundle}"] if bundle else []
    for image, context, options in ((PEER, ".", secret), (IPFS, "ipfs", []), (CHAIN, "chain", [])):
        file = ["-f", str(REPOSITORY / image / "Dockerfile")]
        tag = ["-t", f"{project}-{image}"]
        docker("buildx", "build", "--quiet", "--load", *tag, *file, *options, str(REPOSITORY / context))


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
