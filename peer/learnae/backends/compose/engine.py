"""Finds out whether this machine has a Docker engine, and which."""

import re
import shutil

from learnae.backends.compose.docker_cli import TIMEOUT, docker
from learnae.checkout import in_checkout
from learnae.errors import InputError

OLDEST = (2, 20)  # version of Compose that was tested


def missing() -> str | None:
    """One sentence on what is missing to run containers, with its fix; None if nothing is."""
    if not in_checkout():
        return "containers need LEARNAE's source checkout, not an installed package: clone it or use --backend embedded"
    if shutil.which("docker") is None:
        return "docker is not installed: install Docker, or on a bare Debian run tools/engine.sh"
    try:
        version()
    except InputError as error:
        return f"no Docker engine answers ({error}): start it, or on a bare Debian run tools/engine.sh"
    for plugin in ("compose", "buildx"):
        try:
            docker(plugin, "version", timeout=TIMEOUT)
        except InputError:
            return f"docker {plugin} is missing: install Docker's {plugin} plugin, or on Debian run tools/engine.sh"
    compose = compose_version()
    if tuple(map(int, re.findall(r"\d+", compose)[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return f"Docker Compose {compose} is too old, {oldest} is needed: install a newer compose plugin"
    return None


def version() -> str:
    """The engine's version.  Raises InputError: it does not answer.

    An empty answer counts as none, since some versions of the command succeed without an engine.
    """
    answer = docker("version", "--format", "{{.Server.Version}}", timeout=TIMEOUT).strip()
    if not answer:
        raise InputError("it does not give its version")
    return answer


def compose_version() -> str:
    return docker("compose", "version", "--short", timeout=TIMEOUT).strip()
