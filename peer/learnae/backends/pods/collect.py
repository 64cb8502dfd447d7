"""Copies what a swarm of pods recorded to the run directory."""

from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import environment_facts
from learnae.adapters.sqlite_journal import MAX_JOURNAL
from learnae.backends import live_run
from learnae.backends.base import Run, Say
from learnae.backends.pods.files import NOTICE, model_size
from learnae.backends.pods.plan import Pods, excess
from learnae.backends.pods.pod_session import PodSession
from learnae.errors import InputError
from learnae.session.settings import Session
from learnae.untrusted_file import copy_untrusted

MAX_FILE = MAX_JOURNAL
MODELS = 8  # in use by a peer at a time, of which each may be larger than usual


async def collect(pods: Pods, folder: Path, rpc: str, run: Path, say: Say) -> None:
    """Journals, session, roster, and the export of the chain at ``rpc``.

    The roster comes last of the files: where it is, they all are.
    """
    collect_journals(pods, folder, run, say)
    live_run.copy_definition(folder, run)
    try:
        live_run.write_chain(run, await live_run.fetch_chain(run, rpc))
    except InputError as error:
        say(f"The chain could not be exported: {error}")


def collect_history(session: Session, swarm: PodSession[Any] | None, run: Run, say: Say) -> None:
    """Complete the run directory.  The history comes from the peers' journals, as in `learnae audit`."""
    path = run.directory.path
    if not (path / live_run.ROSTER).is_file():
        return
    for line in live_run.collect_history(path, swarm.manifest if swarm else None):
        say(line)
    from learnae.learn.datasets.sources import source_sha256  # imports torch

    facts = environment_facts() | {"data_sha256": source_sha256(session.data), "device": "cpu"}
    if swarm:
        facts["notice"] = (swarm.folder / NOTICE).read_text(encoding="utf-8") or None
    run.directory.write_json("environment.json", facts)


def collect_journals(pods: Pods, folder: Path, run: Path, say: Say) -> None:
    """Copy the journals of all peers.  A pod can put anything in place of its own, and loses only that."""
    (run / live_run.JOURNALS).mkdir(parents=True, exist_ok=True)
    limit = MAX_FILE + MODELS * excess(model_size(pods, folder))
    for name in pods.names:
        if name in pods.sensors:
            continue
        try:
            _copy_journal(folder, name, run, limit)
        except InputError as error:
            say(f"The journal of {name} was not collected: {error}")


def _copy_journal(folder: Path, name: str, run: Path, limit: int) -> None:
    """Raises InputError: none of the peer's files is then in the run directory."""
    files = (f"{name}.sqlite", f"{name}.sqlite-wal")  # the second exists only after a kill
    try:
        for file in files:
            copy_untrusted(folder, "journals", name, file, to=run / live_run.JOURNALS / file, limit=limit)
    except InputError:
        for file in files:
            (run / live_run.JOURNALS / file).unlink(missing_ok=True)
        raise
