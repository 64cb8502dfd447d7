"""`learnae check`."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from learnae.adapters.run_directory import RunDirectory
from learnae.adapters.run_directory.seal import deviations, is_running
from learnae.analysis.checks import exit_code
from learnae.cli.arguments import Run, RunPlugins
from learnae.cli.output import console, print_outcome, say
from learnae.errors import InputError
from learnae.records.history import History
from learnae.records.seal import SEAL
from learnae.session.plugin_files import FOLDER
from learnae.session.session_file import load
from learnae.session.settings import Session

MAX_NAMED = 20  # problems

Root = Annotated[
    str | None, typer.Option(metavar="HEX", help="Root that the run must have, as it was printed when the run ended.")
]
Signer = Annotated[
    str | None, typer.Option(metavar="KEY", help="Ed25519 public key that must have signed the run, or its file.")
]


def check(
    run: Run,
    root: Root = None,
    signer: Signer = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Simulate the session again and compare every record, byte for byte.")
    ] = False,
    run_plugins: RunPlugins = False,
) -> int:
    """Check a run again, from its files alone: its seal, its records, and what is derived from them."""
    from learnae.runs.consistency import inconsistencies

    directory = RunDirectory(run)
    allow_plugins(run, run_plugins)
    sealed = print_deviations(run, root, signer)
    history = directory.read()
    verdict = directory.judge_again(history)
    print_outcome(directory, verdict)
    consistent = print_problems(inconsistencies(directory, history, say))
    repeated = _repeats(directory, history) if rerun else True
    return exit_code(verdict) if sealed and consistent and repeated else 1


def _repeats(directory: RunDirectory, history: History) -> bool:
    """Whether the same session and seed give the same records.  Raises InputError if that cannot be decided here."""
    from learnae.runs.provenance import other_environment
    from learnae.runs.rerun import first_difference, session_to_rerun

    session, threads = session_to_rerun(directory, history)
    with TemporaryDirectory() as folder:
        again = RunDirectory.create(Path(folder), "again", Path(folder) / "again")
        asyncio.run(_simulate(session, threads, again))
        difference = first_difference(directory.path, again.path)
        again.release()
    if difference is None:
        say("A rerun gives the same history, chain and journals, byte for byte.")
    elif other := other_environment(directory, session):
        raise InputError(f"{difference}, but the run was made elsewhere ({other}): rerun it there")
    return print_problems([difference] if difference else [])


async def _simulate(session: Session, threads: int | None, directory: RunDirectory) -> None:
    from learnae.backends.base import Run as SessionRun
    from learnae.backends.base import RunOptions
    from learnae.backends.sim.backend import SimBackend
    from learnae.cli.progress import Progress, shown

    progress = Progress(session.peers)
    backend, run = SimBackend(session, RunOptions(threads=threads), say), SessionRun(directory, (progress.observe,))
    async with shown(progress, console):
        await backend.prepare(run)
        await backend.run(run)


def allow_plugins(run: Path, wanted: bool) -> None:
    """Let the code of the plug-ins that a run kept be executed, if the user wants it.  Raises InputError."""
    kept = sorted(path.name for path in (run / FOLDER).glob("*.py"))
    if wanted:
        load(run / "session.toml", run_plugins=True)
    elif kept:
        raise InputError(
            f"{run} needs its plug-ins: read {', '.join(kept)} in {run / FOLDER}, then give --run-plugins, which "
            "executes them"
        )


def print_deviations(run: Path, root: str | None, signer: str | None) -> bool:
    """Print what is not as the run left it; whether there is nothing.  A run in progress has no seal yet."""
    from learnae.adapters.run_directory.signing_key import parse_public_key

    key = None if signer is None else parse_public_key(signer)
    if root is None and key is None and not (run / SEAL).exists() and is_running(run):
        say(f"{run} is still being written: it is sealed when the session ends.")
        return True
    return print_problems(deviations(run, root, key))


def print_problems(problems: Iterable[str]) -> bool:
    """Whether there are none."""
    found = list(problems)
    for problem in found[:MAX_NAMED]:
        say(f"Not as it should be: {problem}", "bold red")
    if len(found) > MAX_NAMED:
        say(f"... and {len(found) - MAX_NAMED} more")
    return not found
