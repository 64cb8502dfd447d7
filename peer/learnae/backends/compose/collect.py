"""Copies what a session in containers recorded to the run directory, before the containers are removed."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from learnae.backends import live_run
from learnae.backends.base import Say
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.plan import Plan
from learnae.errors import InputError
from learnae.untrusted_file import copy_untrusted

MAX_FILE = 256 << 20  # bytes


async def collect(plan: Plan, folder: Path, rpc: str, run: Path, say: Say) -> None:
    """Journals, session, roster, and the export of the chain at ``rpc``.  Peers that still run are stopped first.

    The roster comes last of the files: where it is, they all are.
    """
    containers = Containers(plan.project, folder)
    with suppress(InputError):
        await asyncio.to_thread(containers.compose, "stop", *(f"peer-{name}" for name in plan.hosted))
    collect_journals(plan, folder, run, say)
    for name in (live_run.SESSION, live_run.ROSTER):
        shutil.copyfile(folder / name, run / name)
    try:
        live_run.write_chain(run, await live_run.fetch_chain(run, rpc))
    except InputError as error:
        say(f"The chain could not be exported: {error}")


def collect_journals(plan: Plan, folder: Path, run: Path, say: Say) -> None:
    """Copy the journals of all peers.  A pod can put anything in place of its own, and loses only that."""
    (run / live_run.JOURNALS).mkdir(parents=True, exist_ok=True)
    for name in plan.names:
        try:
            _copy_journal(folder, name, run)
        except InputError as error:
            say(f"The journal of {name} was not collected: {error}")


def _copy_journal(folder: Path, name: str, run: Path) -> None:
    """Raises InputError: none of the peer's files is then in the run directory."""
    files = (f"{name}.sqlite", f"{name}.sqlite-wal")  # the second exists only after a kill
    try:
        for file in files:
            copy_untrusted(folder, "journals", name, file, to=run / live_run.JOURNALS / file, limit=MAX_FILE)
    except InputError:
        for file in files:
            (run / live_run.JOURNALS / file).unlink(missing_ok=True)
        raise
