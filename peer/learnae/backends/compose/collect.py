"""What a session on containers leaves: all that ``learnae audit`` needs, once they are gone."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from learnae.backends import live_run
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.plan import Plan
from learnae.backends.external_chain.chain import Say
from learnae.errors import InputError


async def collect(plan: Plan, folder: Path, rpc: str, run: Path, say: Say) -> None:
    """Journals, session, roster (where that is, they all are), and what the chain at ``rpc`` exports.

    Peers that still run are stopped first.
    """
    containers = Containers(plan.project, folder)
    with suppress(InputError):
        await asyncio.to_thread(containers.compose, "stop", *(f"peer-{name}" for name in plan.hosted))
    (run / live_run.JOURNALS).mkdir(parents=True, exist_ok=True)
    for name in plan.names:
        for file in (f"{name}.sqlite", f"{name}.sqlite-wal"):  # the second only where a peer was killed
            with suppress(FileNotFoundError):
                shutil.copyfile(folder / "journals" / name / file, run / live_run.JOURNALS / file)
    for name in (live_run.SESSION, live_run.ROSTER):
        shutil.copyfile(folder / name, run / name)
    try:
        await live_run.fetch_chain(run, rpc)
    except InputError as error:
        say(f"The chain is missing from the run: {error}")
