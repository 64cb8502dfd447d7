"""Copies the journals of a swarm's pods to the run directory."""

from pathlib import Path

from learnae.backends import live_run
from learnae.backends.base import Say
from learnae.backends.pods.plan import Pods
from learnae.errors import InputError
from learnae.untrusted_file import copy_untrusted

MAX_FILE = 256 << 20  # bytes


def collect_journals(pods: Pods, folder: Path, run: Path, say: Say) -> None:
    """Copy the journals of all peers.  A pod can put anything in place of its own, and loses only that."""
    (run / live_run.JOURNALS).mkdir(parents=True, exist_ok=True)
    for name in pods.names:
        if name in pods.sensors:
            continue
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
