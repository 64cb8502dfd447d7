"""Compares a simulated run with another run of the same session and seed, file by file."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from learnae.adapters.run_directory import CHAIN, ENVIRONMENT, HISTORY, RunDirectory
from learnae.backends.live_run import JOURNALS, SESSION
from learnae.errors import InputError
from learnae.records.history import History
from learnae.records.outcome import BackendName, EndedBy
from learnae.runs.provenance import require_same_data
from learnae.session.session_file import load
from learnae.session.settings import Session

MAX_THREADS = 1024


def session_to_rerun(run: RunDirectory, history: History) -> tuple[Session, int | None]:
    """The session of a run and its number of threads.  Raises InputError if it cannot be run again here."""
    if history.began is None or history.began.backend is not BackendName.SIM:
        raise InputError(f"{run.path} is a live run, which no seed repeats: only simulated runs can be rerun")
    if history.ended_by in (None, EndedBy.INTERRUPTED):
        raise InputError(f"{run.path} was interrupted: only a run whose session ended by itself can be rerun")
    session, environment = load(run.path / SESSION), run.read_json(ENVIRONMENT)
    require_same_data(run, session)
    threads = environment.get("threads")
    return session, threads if isinstance(threads, int) and 1 <= threads <= MAX_THREADS else None


def first_difference(run: Path, again: Path) -> str | None:
    """The first line that differs between two runs, in a sentence."""
    journals = {f"{JOURNALS}/{path.name}" for folder in (run, again) for path in (folder / JOURNALS).glob("*")}
    for path in (HISTORY, CHAIN, *sorted(journals)):
        for number, (ours, theirs) in enumerate(zip_longest(_lines(run / path), _lines(again / path)), 1):
            if ours != theirs:
                return f"line {number} of {path} is not what a rerun gives"
    return None


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with path.open("rb") as file:
            yield from file
