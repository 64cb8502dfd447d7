"""The journals of a finished run, whichever backend left them."""

from pathlib import Path

from learnae.adapters.sqlite_journal import JournalContents, read_journal
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION, journal_files, members
from learnae.errors import InputError
from learnae.records.history import History
from learnae.runs.exported_journals import exported_journals
from learnae.session.session_file import load


def read_run_journals(run: Path, history: History) -> dict[str, JournalContents]:
    """The journals of a run, by peer: SQLite files of a live run, or the JSON lines of a run in one process.

    Raises InputError: there are none, or they are damaged.
    """
    if (run / ROSTER).is_file():
        _, everybody = members(run)
        contents = {name: read_journal(path) for name, path in journal_files(run, everybody).items()}
    else:
        if load(run / SESSION) != history.session:
            raise InputError(f"{run} is of a session with other settings: give a run as it was left")
        contents = exported_journals(run, history.roster)
    if not contents:
        raise InputError(f"{run} holds no {JOURNALS}: give a run that kept its journals")
    return contents
