"""The images of a swarm: our own, and the public ones that they are built on."""

import asyncio

from learnae.backends.compose.docker_cli import TIMEOUT, docker, run
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.session.environment import tls_bundle

STAND_IN = "org.learnae.stand-in"
OURS = PEER, IPFS, CHAIN, SWEEP = "peer", "ipfs", "chain", "sweep"  # <project>-peer ...
PROMETHEUS, GRAFANA = "prom/prometheus:v2.53.5", "grafana/grafana:11.6.0"
NEEDED = ("debian:trixie-slim", "ipfs/kubo:v0.43.0", "ghcr.io/foundry-rs/foundry:v1.7.1")
BASE = (*NEEDED, PROMETHEUS, GRAFANA)


def built(project: str) -> bool:
    return all(present(f"{project}-{image}") for image in OURS)


async def build(project: str) -> None:
    """Build our images and get the ones they need.  Takes seconds if nothing has changed; stops when cancelled."""
    if not await asyncio.to_thread(lambda: all(map(present, NEEDED))):
        await run(str(REPOSITORY / "tools" / "base-images.sh"), shown=True)
    bundle = tls_bundle()
    secret = ["--secret", f"id=ca,src={bundle}"] if bundle else []
    rows = ["--build-arg", f"PEER={project}-{PEER}"]
    for image, file, context, options in (
        (PEER, "peer/Dockerfile", ".", secret),
        (IPFS, "ipfs/Dockerfile", "ipfs", []),
        (CHAIN, "chain/Dockerfile", "chain", []),
        (SWEEP, "peer/Dockerfile.sweep", "peer/learnae/resources", rows),
    ):
        named = ["-t", f"{project}-{image}", "-f", str(REPOSITORY / file)]
        await run("docker", "buildx", "build", "--quiet", "--load", *named, *options, str(REPOSITORY / context))


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
