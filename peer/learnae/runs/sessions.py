"""Sessions as a user gives them: a file or a table, completed by defaults that fit the size of the data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from learnae.errors import InputError
from learnae.session import session_file
from learnae.session.settings import DataSettings, Session
from learnae.session.sizes import is_fitted


def load_session(path: Path, overrides: Mapping[str, Any] | None = None) -> Session:
    """A session file that the user runs, with overrides by dotted name (None: not given).  Raises InputError.

    The code of the plug-ins that it names may then be executed.
    """
    return _with_true_payouts(session_file.load(path, overrides, _count_rows, run_plugins=True, own=True))


def parse_session(table: Mapping[str, Any]) -> Session:
    """Settings as nested dictionaries, with plug-ins in the working directory.  Raises InputError."""
    return _with_true_payouts(session_file.parse(table, count_rows=_count_rows, own=True))


def _with_true_payouts(session: Session) -> Session:
    """Raises InputError for a mistyped address: what is paid to it is lost."""
    for payout in filter(None, (group.payout for group in session.groups)):
        from learnae.adapters.keystore import require_checksum  # imports a library for curves

        try:
            require_checksum(payout)
        except InputError as error:
            raise InputError(f"groups.payout: {error}") from None
    return session


def _count_rows(data: DataSettings) -> int | None:
    if not is_fitted(data):
        return None
    from learnae.learn.datasets.sources import count_rows  # imports torch

    return count_rows(data)
