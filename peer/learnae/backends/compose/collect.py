"""Copies what a session in containers recorded to the run directory, before the containers are removed."""

import asyncio
from contextlib import suppress
from pathlib import Path

from learnae.backends import live_run
from learnae.backends.base import Say
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.plan import Plan
from learnae.backends.pods.journals import collect_journals
from learnae.errors import InputError


async def collect(plan: Plan, folder: Path, rpc: str, run: Path, say: Say) -> None:
    """Journals, session, roster, and the export of the chain at ``rpc``.  Peers that still run are stopped first.

    The roster comes last of the files: where it is, they all are.
    """
    containers = Containers(plan.project, folder)
    with suppress(InputError):
        await asyncio.to_thread(containers.compose, "stop", *(f"peer-{name}" for name in plan.hosted))
    collect_journals(plan, folder, run, say)
    live_run.copy_definition(folder, run)
    try:
        live_run.write_chain(run, await live_run.fetch_chain(run, rpc))
    except InputError as error:
        say(f"The chain could not be exported: {error}")
