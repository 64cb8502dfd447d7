"""What `learnae doctor` reports about containers."""

from collections.abc import Iterator

from learnae.backends.base import Finding
from learnae.backends.compose import capacity, engine, free_addresses, images
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.plan import project
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

PAPER_PEERS = 20
PROBE = "iptables -N probe && iptables -A probe -m statistic --mode random --probability 0.5 -j DROP"


def findings(peers: int | None) -> Iterator[Finding]:
    """For a swarm of this number of peers, or else of the paper's number.

    Containers are optional, so a missing engine is no problem to be fixed.
    """
    missing = engine.missing()
    if missing:
        yield Finding(True, "no containers: make swarm uses the embedded backend", missing)
        return
    yield Finding(True, f"Docker {engine.version()} with Compose {engine.compose_version()}")
    yield from _images()
    yield _room(peers)
    yield _addresses()
    if images.present(f"{project(REPOSITORY)}-{images.PEER}"):
        yield _kernel()


def _images() -> Iterator[Finding]:
    stand_ins = images.stand_ins()
    pulled = [image for image in images.BASE if images.present(image) and image not in stand_ins]
    missing = [image for image in images.BASE if not images.present(image)]
    if pulled:
        yield Finding(True, f"pulled images: {', '.join(pulled)}")
    if stand_ins:
        fix = "for the original images, remove them with docker rmi and run make base-images"
        yield Finding(True, f"stand-in images: {', '.join(stand_ins)}", fix)
    if missing:
        needed = any(image in images.NEEDED for image in missing)
        fix = "make swarm gets them when needed, or run make base-images" if needed else "the swarm runs without them"
        yield Finding(True, f"missing images: {', '.join(missing)}", fix)


def _room(peers: int | None) -> Finding:
    pods = capacity.max_pods()
    try:
        capacity.check(peers or PAPER_PEERS)
    except InputError as error:
        return Finding(peers is None and pods >= 2, f"room for {pods} pods", str(error))
    return Finding(True, f"room for {pods} pods")


def _addresses() -> Finding:
    try:
        subnet, base = free_addresses.free_subnet(REPOSITORY), free_addresses.free_base(REPOSITORY, range(400))
    except InputError as error:
        return Finding(False, "no free addresses for a swarm", str(error))
    return Finding(True, f"free subnet {subnet}, free ports {base} to {base + 399}")


def _kernel() -> Finding:
    """Probed in a container of the peer's image, where links would be cut."""
    image = f"{project(REPOSITORY)}-{images.PEER}"
    capabilities = [f"--cap-{change}" for change in ("drop=ALL", "add=NET_ADMIN", "add=NET_RAW")]
    try:
        docker(
            "run", "--rm", *capabilities, "--network", "none", "--entrypoint", "bash", image, "-c", PROBE, timeout=30
        )
    except InputError as error:
        return Finding(False, "links cannot be cut", f"the kernel does not allow iptables in containers ({error})")
    return Finding(True, "the kernel can cut links and drop packets in containers")
