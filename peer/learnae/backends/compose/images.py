"""The images of a swarm: our own, and the public ones that they are built on."""

import asyncio
from pathlib import Path

from learnae.backends.compose.docker_cli import TIMEOUT, docker, run
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.session.environment import tls_bundle
from learnae.session.sensor_rules import sensors
from learnae.session.settings import Session

STAND_IN = "org.learnae.stand-in"
BROKER, TANGLE = "broker", "tangle"  # for sessions with sensors
OURS = PEER, IPFS, CHAIN, SWEEP = "peer", "ipfs", "chain", "sweep"  # <project>-peer ...
PROMETHEUS, GRAFANA = "prom/prometheus:v2.53.5", "grafana/grafana:11.6.0"
NEEDED = ("debian:trixie-slim", "ipfs/kubo:v0.43.0", "ghcr.io/foundry-rs/foundry:v1.7.1")
BASE = (*NEEDED, PROMETHEUS, GRAFANA)


def built(project: str, feed: str | None = None) -> bool:
    return all(present(f"{project}-{image}") for image in (*OURS, *([feed] if feed else [])))


def feed(session: Session) -> str | None:
    """The image of the feed that the session's sensors need; None if they need none."""
    if not sensors(session) or session.feed.url:
        return None
    return TANGLE if session.feed.kind == "tangle" else BROKER


async def build(project: str, feed: str | None = None) -> None:
    """Build our images and get the ones they need.  Takes seconds if nothing has changed; stops when cancelled.

    ``feed``: the image that sensors need, too.  Raises InputError.
    """
    if not await asyncio.to_thread(lambda: all(map(present, NEEDED))):
        await run(str(REPOSITORY / "tools" / "base-images.sh"), shown=True)
    bundle = tls_bundle()
    secret = ["--secret", f"id=ca,src={bundle}"] if bundle else []
    rows = ["--build-arg", f"PEER={project}-{PEER}"]
    made = [
        (PEER, "peer/Dockerfile", ".", secret),
        (IPFS, "ipfs/Dockerfile", "ipfs", []),
        (CHAIN, "chain/Dockerfile", "chain", []),
        (SWEEP, "peer/Dockerfile.sweep", "peer/learnae/resources", rows),
    ]
    if feed == BROKER:
        made.append((BROKER, "feed/Dockerfile.broker", "feed", []))
    elif feed == TANGLE:
        made.append((TANGLE, "feed/Dockerfile.tangle", _programs(), []))
    for image, file, context, options in made:
        named = ["-t", f"{project}-{image}", "-f", str(REPOSITORY / file)]
        await run("docker", "buildx", "build", "--quiet", "--load", *named, *options, str(REPOSITORY / context))


def _programs() -> str:
    """The folder with the programs of a Tangle, which are built together.  Raises InputError."""
    from learnae.adapters.tangle.network import find_programs  # needs aiomqtt

    return str(Path(find_programs().hornet).resolve().parent)


async def publish(image: str, name: str) -> None:
    """Push an image under another name.  Raises InputError, with what Docker says."""
    docker("tag", image, name, timeout=TIMEOUT)
    await run("docker", "push", "--quiet", name)


def present(image: str) -> bool:
    try:
        docker("image", "inspect", "--format", "{{.Id}}", image, timeout=TIMEOUT)
    except InputError:
        return False
    return True


def stand_ins() -> list[str]:
    """The base images here that were built locally because they could not be pulled (`make base-images`)."""
    listed = docker("images", "--filter", f"label={STAND_IN}=true", "--format", "{{.Repository}}:{{.Tag}}")
    return [image for image in BASE if image in listed.split()]
