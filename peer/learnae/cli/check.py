"""`learnae check`."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from learnae.adapters.run_directory import RunDirectory, require_directory
from learnae.analysis.checks import exit_code
from learnae.cli.arguments import Json, Run, RunPlugins
from learnae.cli.findings import Findings
from learnae.cli.output import console, print_outcome
from learnae.errors import InputError
from learnae.records.history import History
from learnae.session.plugin_files import FOLDER
from learnae.session.sensor_rules import peers_without_sensors
from learnae.session.session_file import load
from learnae.session.settings import Session

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
    json: Json = False,
) -> int:
    """Check a run again, from its files alone: its seal, its records, and what is derived from them."""
    from learnae.runs.consistency import inconsistencies

    directory, findings = RunDirectory(run), Findings(json)
    require_directory(run)
    findings.compare_with_seal(run, root, signer)
    try:
        allow_plugins(run, run_plugins)
    except InputError:
        if not findings.problems and not findings.notices:
            findings.notice("The files are those that the seal lists. Nothing else was checked.")
        raise
    history = directory.read()
    verdict = directory.judge_again(history)
    if not json:
        print_outcome(directory, verdict)
    findings.add(inconsistencies(directory, history, findings.notice))
    if rerun:
        _run_again(directory, history, findings)
    if json:
        findings.print_json(run, verdict)
    return 1 if findings.problems else exit_code(verdict)


def _run_again(directory: RunDirectory, history: History, findings: Findings) -> None:
    """Compare with the records of the same session and seed.  Raises InputError if that cannot be decided here."""
    from learnae.runs.provenance import other_environment
    from learnae.runs.rerun import first_difference, session_to_rerun

    session, threads = session_to_rerun(directory, history)
    with TemporaryDirectory() as folder:
        again = RunDirectory.create(Path(folder), "again", Path(folder) / "again")
        asyncio.run(_simulate(session, threads, again, findings))
        difference = first_difference(directory.path, again.path)
        again.release()
    if difference is None:
        findings.notice("A rerun gives the same history, chain and journals, byte for byte.")
    elif other := other_environment(directory, session):
        raise InputError(f"{difference}, but the run was made elsewhere ({other}): rerun it there")
    findings.add([difference] if difference else [])


async def _simulate(session: Session, threads: int | None, directory: RunDirectory, findings: Findings) -> None:
    from learnae.backends.base import Run as SessionRun
    from learnae.backends.base import RunOptions
    from learnae.backends.sim.backend import SimBackend
    from learnae.cli.progress import Progress, shown

    progress = Progress(peers_without_sensors(session), session.score.name)
    backend = SimBackend(session, RunOptions(threads=threads), findings.notice)
    run = SessionRun(directory, (progress.observe,))
    async with shown(progress, console):
        await backend.prepare(run)
        await backend.run(run)


def allow_plugins(run: Path, wanted: bool) -> None:
    """Let the code of the plug-ins that a run kept be executed, if the user wants it.  Raises InputError."""
    require_directory(run)
    kept = sorted(path.name for path in (run / FOLDER).glob("*.py"))
    if wanted:
        load(run / "session.toml", run_plugins=True)
    elif kept:
        raise InputError(
            f"{run} needs its plug-ins: read {', '.join(kept)} in {run / FOLDER}, then give --run-plugins, "
            "which executes them"
        )
