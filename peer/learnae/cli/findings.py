"""What `learnae doctor` finds out about containers."""

from collections.abc import Iterator
from dataclasses import dataclass

from learnae.backends.compose import capacity, engine, free_addresses, images
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.plan import project
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

PAPERS = 20  # peers
PROBE = "iptables -N probe && iptables -A probe -m statistic --mode random --probability 0.5 -j DROP"


@dataclass(frozen=True)
class Finding:
    ok: bool
    what: str
    fix: str = ""


def containers(peers: int | None) -> Iterator[Finding]:
    """For a swarm of so many, or of as many as the paper's.  Nothing here must be mended for the other backends."""
    lacking = engine.lacking()
    if lacking:
        yield Finding(True, "make swarm takes the embedded backend, without containers", lacking)
        return
    yield Finding(True, f"Docker {engine.version()} with Compose {engine.compose_version()}")
    yield from _images()
    yield _room(peers)
    yield _place()
    if images.present(f"{project(REPOSITORY)}-{images.PEER}"):
        yield _kernel()


def _images() -> Iterator[Finding]:
    made = images.stand_ins()
    pulled = [image for image in images.BASE if images.present(image) and image not in made]
    absent = [image for image in images.BASE if not images.present(image)]
    if pulled:
        yield Finding(True, f"pulled: {', '.join(pulled)}")
    if made:
        yield Finding(True, f"stand-ins: {', '.join(made)}", "for the real ones, docker rmi them and make base-images")
    if absent:
        needed = any(image in images.NEEDED for image in absent)
        fix = "make base-images, which make swarm does by itself" if needed else "the swarm runs without"
        yield Finding(True, f"not here: {', '.join(absent)}", fix)


def _room(peers: int | None) -> Finding:
    most = capacity.most()
    try:
        capacity.check(peers or PAPERS)
    except InputError as error:
        return Finding(peers is None and most >= 2, f"room for {most} pods", str(error))
    return Finding(True, f"room for {most} pods")


def _place() -> Finding:
    try:
        subnet, base = free_addresses.free_subnet(REPOSITORY), free_addresses.free_base(REPOSITORY, range(400))
    except InputError as error:
        return Finding(False, "no place for a swarm", str(error))
    return Finding(True, f"a free subnet, {subnet}, and free ports, {base} to {base + 399}")


def _kernel() -> Finding:
    """Asked where links are cut: in a container of the peer's image."""
    image = f"{project(REPOSITORY)}-{images.PEER}"
    rights = [f"--cap-{each}" for each in ("drop=ALL", "add=NET_ADMIN", "add=NET_RAW")]
    try:
        docker("run", "--rm", *rights, "--network", "none", "--entrypoint", "bash", image, "-c", PROBE, timeout=30)
    except InputError as error:
        return Finding(False, "links cannot be cut", f"the kernel refuses iptables in containers ({error})")
    return Finding(True, "the kernel can cut links and lose packets in containers")
