"""Runs as data, for notebooks and scripts.

``learnae.load`` and ``learnae.simulate`` return a ``Run``:

import learnae

run = learnae.simulate("paper", peers=8, seed=3)
run.payments.groupby("payee").wei.sum()
run.figure(4)
"""

from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnae.adapters.run_directory import RunDirectory, require_directory
from learnae.analysis.figures import View
from learnae.analysis.tables import TABLES
from learnae.errors import InputError
from learnae.protocol.types import Wei
from learnae.records.history import History
from learnae.session.sensor_rules import members_text
from learnae.session.shipped import session_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from pyarrow import Table as ArrowTable

FIGURES = range(4, 9)  # the numbers that the paper gives them


def load(path: str | Path) -> "Run":
    """A run by its directory.  Raises InputError if it is none, or if a file of it is damaged.

    Nothing is checked: `learnae check RUN` does that.
    """
    require_directory(Path(path))
    return Run(RunDirectory(Path(path)))


def simulate(
    session: str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    threads: int | None = None,
    **overrides: Any,
) -> "Run":
    """Simulate a session and return its run.  The same session gives the same history, byte for byte.

    ``session`` is the name of a shipped session, the path of a session file, or the settings as nested dictionaries.
    ``overrides`` replace settings at the top, such as ``peers=8`` or ``seed=3``.  ``out`` is the run directory, by
    default runs/TIME-NAME.  It has no report and no figures; `learnae report RUN` writes one.  Raises InputError.
    """
    from learnae.backends.base import RunOptions
    from learnae.backends.in_process import thread_count
    from learnae.backends.sim import backend
    from learnae.runs.sessions import load_session, parse_session
    from learnae.runtime.torch_learning import TorchLearning

    if isinstance(session, Mapping):
        chosen = parse_session(dict(session) | overrides)
    else:
        chosen = load_session(session_file(str(session)), overrides)
    learning = TorchLearning(chosen, thread_count(RunOptions(threads=threads)))
    directory = RunDirectory.create(Path("runs"), chosen.name, None if out is None else Path(out))
    try:
        backend.simulate(chosen, learning, directory)
        directory.judge(directory.read(), None)
    finally:
        directory.release()
    return Run(directory)


class Run:
    """One run.  Each table is a pandas DataFrame; ``learnae.analysis.table_rows`` describes the columns.

    Money is in wei, as Python integers of any size, so that sums are exact.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self.history: History = directory.read()

    @property
    def path(self) -> Path:
        return self._directory.path

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """The results of all checks, and the summary, computed from the history."""
        return self._directory.judge_again(self.history)

    @property
    def peers(self) -> "DataFrame":
        """One row per peer: role, money, accuracy."""
        return self.table("peers")

    @property
    def payments(self) -> "DataFrame":
        """One row per debt.  ``run.payments.query("state == 'final'")`` are those paid for good."""
        return self.table("payments")

    @property
    def averagings(self) -> "DataFrame":
        """One row per scored averaging, adopted or not."""
        return self.table("averagings")

    @property
    def accuracy(self) -> "DataFrame":
        """One row per model that a peer adopted."""
        return self.table("accuracy")

    @property
    def transactions(self) -> "DataFrame":
        """One row per transaction on the chain."""
        return self.table("transactions")

    @property
    def faults(self) -> "DataFrame":
        """One row per injected fault."""
        return self.table("faults")

    @property
    def settings(self) -> "DataFrame":
        """One row per setting, defaults included."""
        return self.table("settings")

    def rows(self, name: str) -> list[Any]:
        """A table as dataclasses.  Raises InputError."""
        self._require(name)
        return list(TABLES[name].rows(self.history))

    def table(self, name: str) -> "DataFrame":
        """A table by its name.  Raises InputError if there is none, or if pandas is missing."""
        rows = self.rows(name)
        try:
            import pandas
        except ImportError:
            raise InputError("tables need pandas, which is not installed: run `pip install pandas`") from None
        table = TABLES[name]
        # As objects first: pandas would make floats of integers in a column that also has None.
        frame = pandas.DataFrame([asdict(row) for row in rows], columns=list(table.columns), dtype=object)
        exact = [column for column, hint in table.columns.items() if hint is Wei]  # sums may exceed 64 bits
        return frame.convert_dtypes().astype(dict.fromkeys(exact, object))

    def arrow(self, name: str) -> "ArrowTable":
        """A table for polars and other libraries, money as decimals.  Raises InputError, too, if pyarrow is missing."""
        from learnae.runs.exports import arrow_table

        self._require(name)
        return arrow_table(name, self.history)

    def figure(
        self, number: int, x: View = "units", *, size: tuple[float, float] = (8.0, 4.5), title: bool = True
    ) -> "Figure":
        """A figure of the paper, 4 to 8, drawn with matplotlib; ``size`` in inches.  Raises InputError."""
        from learnae.analysis.figures import Look, canvas_of, figures

        if number not in FIGURES:
            raise InputError(f"there is no figure {number}: choose one of 4 to 8")
        return canvas_of(figures(self.history, x)[number - FIGURES.start], Look(size, title))

    def _require(self, name: str) -> None:
        if name not in TABLES:
            raise InputError(f"there is no table {name}: choose one of {', '.join(TABLES)}")

    def __repr__(self) -> str:
        began = self.history.began
        name = f"{began.session.name}, {members_text(began.session)}, {began.backend}" if began else "no session began"
        return f"<Run {self.path}: {name}>"
