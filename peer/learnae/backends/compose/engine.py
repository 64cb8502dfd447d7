"""Whether there is a Docker engine here, and which."""

import re
import shutil

from learnae.backends.compose.docker_cli import PATIENCE, docker
from learnae.checkout import in_checkout
from learnae.errors import InputError

OLDEST = (2, 20)  # Compose; what is older nobody has tried


def lacking() -> str | None:
    """One sentence: why there can be no containers here; None if there can."""
    if not in_checkout():
        return "containers need LEARNAE's source checkout with its Docker files, and this is an installed package"
    if shutil.which("docker") is None:
        return "docker is not installed: install Docker, or on a bare Debian run tools/engine.sh"
    try:
        version()
    except InputError as error:
        return f"no Docker engine answers ({error}): start it, or on a bare Debian run tools/engine.sh"
    for plugin in ("compose", "buildx"):
        try:
            docker(plugin, "version", timeout=PATIENCE)
        except InputError:
            return f"docker {plugin} is missing: install Docker's {plugin} plugin, or on Debian run tools/engine.sh"
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
